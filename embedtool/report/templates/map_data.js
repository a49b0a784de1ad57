"use strict";
// The data of the page: positions, names, groups and thumbnails; and which points are near a place.
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
function bytes(text) {
  const binary = atob(text), made = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) made[i] = binary.charCodeAt(i);
  return made;
}
const numbers = (text) => new Uint32Array(bytes(text).buffer);
const xy = new Float32Array(bytes(data.xy).buffer), n = data.n;
const folderOf = numbers(data.folder_of);
const names = data.names.split("/");  // no file name contains a slash
const colourings = data.colourings.map((colouring) => ({ ...colouring, members: numbers(colouring.members), percents: colouring.percents && bytes(colouring.percents) }));
const ends = numbers(data.thumb_ends);  // where each thumbnail ends, in characters

// A byte of a name that is not UTF-8 is a lone surrogate, U+DC80 to U+DCFF.
const exact = (i) => (data.folders[folderOf[i]] + "/" + names[i]).replace(/^\/\//, "/");
const legible = (text) => text.replace(/[\udc80-\udcff]/g, "\ufffd");
// Bidirectional control characters can show a name as another one, so they are shown as escapes.
const readable = (text) => legible(text).replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
const path = (i) => legible(exact(i));
const address = (i) => "file://" + exact(i).split("/").map((part) =>
  part.split(/([\udc80-\udcff])/).map((s) => /^[\udc80-\udcff]$/.test(s)
    ? "%" + (s.charCodeAt(0) - 0xdc00).toString(16) : encodeURIComponent(s)).join("")).join("/");
let lowered = null;  // lower-case paths, made by the first search
const holding = (words) => {
  lowered ??= Array.from({ length: n }, (_, i) => path(i).toLowerCase());
  return Uint8Array.from(lowered, (text) => text.includes(words));
};
const start = (i) => i ? ends[i - 1] : 0;
const thumbed = (i) => ends[i] > start(i);
const thumb = (i) => "data:image/webp;base64," + data.thumbs.slice(start(i), ends[i]);

// A grid over the map finds the points near a place without checking every point.
const CELLS = 256;
const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
for (let i = 0; i < n; i++) for (const a of [0, 1]) {
  low[a] = Math.min(low[a], xy[2 * i + a]); high[a] = Math.max(high[a], xy[2 * i + a]);
}
const cell = (a, v) => Math.min(CELLS - 1, Math.max(0, Math.floor((v - low[a]) / (high[a] - low[a] || 1) * CELLS)));
const first = new Uint32Array(CELLS * CELLS + 1), inCells = new Uint32Array(n);
for (let i = 0; i < n; i++) first[cell(1, xy[2 * i + 1]) * CELLS + cell(0, xy[2 * i]) + 1]++;
for (let c = 0; c < CELLS * CELLS; c++) first[c + 1] += first[c];
{ const at = first.slice();
  for (let i = 0; i < n; i++) inCells[at[cell(1, xy[2 * i + 1]) * CELLS + cell(0, xy[2 * i])]++] = i; }
function inside(from, to, visit) {
  for (let r = cell(1, from[1]); r <= cell(1, to[1]); r++)
    for (let k = first[r * CELLS + cell(0, from[0])]; k < first[r * CELLS + cell(0, to[0]) + 1]; k++) {
      const i = inCells[k], x = xy[2 * i], y = xy[2 * i + 1];
      if (x >= from[0] && x <= to[0] && y >= from[1] && y <= to[1]) visit(i);
    }
}
// Find the points in a polygon of map positions by the even-odd rule. Each row of the grid lists the
// edges that cross it, so a point is compared only with those of its own row.
function within(corners) {
  const crossing = Array.from({ length: CELLS }, () => []), found = new Uint8Array(n);
  const from = [Infinity, Infinity], to = [-Infinity, -Infinity];
  corners.forEach(([x, y], c) => {
    const [x0, y0] = corners[(c || corners.length) - 1];
    from[0] = Math.min(from[0], x); to[0] = Math.max(to[0], x);
    from[1] = Math.min(from[1], y); to[1] = Math.max(to[1], y);
    for (let r = cell(1, Math.min(y, y0)); r <= cell(1, Math.max(y, y0)); r++) crossing[r].push([x, y, x0, y0]);
  });
  inside(from, to, (i) => {
    const px = xy[2 * i], py = xy[2 * i + 1];
    for (const [x, y, x0, y0] of crossing[cell(1, py)])
      if (y > py !== y0 > py && px < (x0 - x) * (py - y) / (y0 - y) + x) found[i] ^= 1;
  });
  return found;
}
