// @ts-check
/**
 * The shapes that the files here share. There is nothing of this in what browsers load.
 *
 * @typedef {{type: string, message: string, fields: {field: string, type: string,
 *   message: string}[]}} ActionError
 * @typedef {{ok: boolean, value: any, status: number, error: ActionError | null}} Result
 * @typedef {Record<string, any>} Signal  `signal` is its name; a job's has a `cursor`
 * @typedef {{cancel: () => void}} Timer  of `after` and `every`
 * @typedef {{url: string, language: string, name: string}} ModuleFile
 * @typedef {{brython: string, bridge: string, runtime: string}} PythonUrls
 * @typedef {{base: string, cursor: string, state: Record<string, any>, modules: ModuleFile[],
 *   python: PythonUrls | null, debug: boolean}} Page  what the server says in #sprag-page
 * @typedef {{value: string | null, files: File[] | null}} Was  of a field, when an event happened
 * @typedef {{event: Event, target: Element, again: boolean, was: Map<Element, Was>}} Held
 * @typedef {{item: unknown, outer: Scope | null}} Scope  where the names in a row are looked up
 * @typedef {(...args: any[]) => any} Handler
 */
export {};
