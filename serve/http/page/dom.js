/** Small help with the document. */

export const byId = (id) => document.getElementById(id);

const percents = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });

/** A share for people: 0.9722 is 97.2%. */
export const percent = (share) => percents.format(share);

/** A new element with properties and children, which are elements or text. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Give a select its options, [value, text] each. */
export function setOptions(select, options, value) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  select.value = value;
}
