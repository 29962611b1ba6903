// @ts-check
/**
 * What the server says about this page.
 *
 * @typedef {import("./types.js").Page} Page
 */

/** @type {Page} */
export const page = {
  base: "/_sprag",
  cursor: "0.0.0",
  state: {},
  modules: [],
  python: null,
  debug: false,
  ...JSON.parse(document.getElementById("sprag-page")?.textContent || "{}"),
};
