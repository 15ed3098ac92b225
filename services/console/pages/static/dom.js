// Making and changing nodes. Text is always set as text: nothing from outside becomes markup.

/** element("td", {class: "n", title: "…"}, "text", node, …). `on…` properties are listeners, null is left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(made.dataset, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Set a node's text unless it has it already. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Make `parent` have one child per item: nodes are reused, so that an evening adds none. */
export function fill(parent, items, make, write) {
  while (parent.children.length < items.length) parent.append(make());
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  items.forEach((item, i) => write(parent.children[i], item));
}

export const at = (id) => document.getElementById(id);
