/** Small line drawings, 24 x 24, in the colour of the text. */

const PATHS = {
  undo: "M8 5 4 9l4 4M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "m16 5 4 4-4 4M20 9H10a6 6 0 0 0 0 12h3",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  help: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.5v.5M12 2.5a9.5 9.5 0 1 0 0 19 9.5 9.5 0 0 0 0-19",
  brush: "M20 4 10.5 13.5M13 9.5l2.5 2.5M8.5 13a3.5 3.5 0 0 1 3 3.5c0 2.5-2 4-4.5 4-1.5 0-3-.5-4-1.5 2 0 2-1 2-2.5A3.5 3.5 0 0 1 8.5 13",
  eraser: "m7 20-4-4a2 2 0 0 1 0-2.800L13 3.5a2 2 0 0 1 2.800 0l4.700 4.700a2 2 0 0 1 0 2.800L12 20zM8 8.5l7.5 7.5M7 20h14",
  polygon: "M5 19 3.5 9 12 3.5 20.5 9 18 19z",
  box: "M4 6h16v12H4z",
  scribble: "M3 16c3-9 6-10 7-7s-3 8 0 8 5-11 8-10c2 .7 0 6 3 8",
  click: "M12 2.5V7M12 17v4.5M2.5 12H7M17 12h4.5M12 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4",
  guess: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M12 8.5l1 2.5 2.5 1-2.5 1-1 2.5-1-2.5L8.5 12l2.5-1z",
  pan: "M12 3v18M3 12h18M12 3 9.5 5.5M12 3l2.5 2.5M12 21l-2.5-2.5M12 21l2.5-2.5M3 12l2.5-2.5M3 12l2.5 2.5M21 12l-2.5-2.5M21 12l-2.5 2.5",
  shift: "M4 4h10v10H4zM10 10l10 10M20 14v6h-6",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6",
  eyeoff: "M4 4l16 16M9.5 5.800A9 9 0 0 1 12 5.5c6 0 9.5 6.5 9.5 6.5a16 16 0 0 1-3 3.600M6 7.700A16 16 0 0 0 2.5 12S6 18.5 12 18.5c1.200 0 2.300-.3 3.300-.7",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  unlock: "M6 11h12v9H6zM8.5 11V7a3.5 3.5 0 0 1 6.800-1.200",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  check: "m4.5 12.5 5 5 10-11",
  diamond: "M12 4l8 8-8 8-8-8z",
  clear: "m6 6 12 12M18 6 6 18",
  play: "M7 4.5v15l13-7.5z",
  loop: "M17 3l3 3-3 3M4 11V9a3 3 0 0 1 3-3h13M7 21l-3-3 3-3M20 13v2a3 3 0 0 1-3 3H4",
  sound: "M4 9.500h3.500L12 6v12l-4.500-3.500H4zM15.500 9a4.500 4.500 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11",
  pause: "M7.5 5v14M16.5 5v14",
  prev: "m15 5-7 7 7 7",
  next: "m9 5 7 7-7 7",
  prevdrawn: "m18 5-7 7 7 7M6 9l3 3-3 3-3-3z",
  nextdrawn: "m6 5 7 7-7 7M18 9l3 3-3 3-3-3z",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true" })) svg.setAttribute(key, value);
  const look = { d: PATHS[name], fill: "none", stroke: "currentColor", "stroke-width": "1.8", "stroke-linecap": "round", "stroke-linejoin": "round" };
  for (const [key, value] of Object.entries(look)) path.setAttribute(key, value);
  svg.append(path);
  return svg;
}

/** Put its icon into every element that names one. */
export function placeIcons(root = document) {
  for (const element of root.querySelectorAll("[data-icon]")) element.replaceChildren(icon(element.dataset.icon));
}
