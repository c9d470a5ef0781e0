/** DOM helpers. */

export const byId = (id) => document.getElementById(id);

const percents = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });

/** Format a share: 0.9722 as 97.2%. */
export const percent = (share) => percents.format(share);

const milliseconds = new Intl.NumberFormat("en", { style: "unit", unit: "millisecond", maximumFractionDigits: 1 });

/** Format a time in milliseconds. */
export const formatTime = (time) => milliseconds.format(time);

/** Create an element with properties and children (elements or text). */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Set the options of a select element, [value, text] each, and its value. */
export function setOptions(select, options, value) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  select.value = value;
}
