// @ts-check
/**
 * What data may do to an element. Nothing here makes HTML out of data: texts go through textContent,
 * and attributes that could run code are refused.
 */
import { complain } from "./console.js";

/** @param {Element} element @param {string} kind @param {string} name
 * @returns {((value: any) => void) | undefined} */
export function applier(element, kind, name) {
  const refused = kind === "text" ? refusedText(element) : refusedAttribute(element, name);
  if (refused && !/show|class/.test(kind)) {
    complain(element, `data-${kind}${name}`, refused);
    return undefined;
  }
  if (kind === "text") return (value) => void (element.textContent = `${value ?? ""}`);
  if (kind === "class-") return (value) => void element.classList.toggle(name, value);
  if (kind === "attr-") return (value) => setAttribute(element, name, value);
  const { style } = /** @type {HTMLElement} */ (element);
  return (value) => {
    element.toggleAttribute("hidden", !value);
    // A rule such as `.row { display: flex }` is stronger than the attribute.
    if (value) style.removeProperty("display");
    else style.setProperty("display", "none", "important");
  };
}

const ACTIVE = /^(script|style|base|link|meta|object|embed|animate\w*|set)$/i;
const URLS = /^((xlink:)?href|src|action|formaction|poster|data|ping|background|codebase)$/;
const SCHEMES = ["http:", "https:", "mailto:", "tel:"];

/** @param {Element} element */
export function refusedText(element) {
  return ACTIVE.test(element.localName) ? `is refused on <${element.localName}>` : "";
}

/** Why data must not choose this attribute, or "". @param {Element} element @param {string} name */
function refusedAttribute(element, name) {
  if (/^on|^srcdoc$|^style$/.test(name)) return `is refused: data may not choose ${name}`;
  return refusedText(element);
}

/**
 * Set an attribute, or the property that people mean by it. null and false remove it, true makes
 * it empty.
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
export function setAttribute(element, name, value) {
  name = name.toLowerCase();
  const refused = refusedAttribute(element, name) || refusedUrl(name, value);
  if (refused) {
    complain(element, `${name} from data`, refused);
    element.removeAttribute(name);
  } else if (name === "value" && /^(input|textarea|select)$/.test(element.localName)) {
    /** @type {HTMLInputElement} */ (element).value = `${value ?? ""}`;
  } else if (/^(checked|selected)$/.test(name) && name in element) {
    /** @type {any} */ (element)[name] = Boolean(value);
  } else if (typeof value === "boolean" && name.startsWith("aria-")) {
    element.setAttribute(name, `${value}`);
  } else if (value === null || value === undefined || value === false) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value === true ? "" : `${value}`);
  }
}

/** @param {string} name @param {any} value */
function refusedUrl(name, value) {
  if (!URLS.test(name) || !value || value === true) return "";
  let scheme = "";
  try {
    scheme = new URL(`${value}`, document.baseURI).protocol;
  } catch {
    return "is refused: it is not a valid URL";
  }
  // The page made a blob: URL itself, such as the preview of a dropped image.
  if (SCHEMES.includes(scheme) || (scheme === "blob:" && name === "src")) return "";
  return `is refused: ${scheme} is not allowed there`;
}
