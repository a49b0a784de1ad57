"use strict";
// Reads the data that stands in the page, draws it with one call of WebGL, and answers the pointer.
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const xy = new Float32Array(bytes(data.xy).buffer), n = data.n;
const folderOf = new Uint32Array(bytes(data.folder_of).buffer);
const names = n ? data.names.split("/") : [];  // no file name holds a slash
const ways = data.ways.map((way) => ({ ...way, members: new Uint32Array(bytes(way.members).buffer) }));
const ends = new Uint32Array(bytes(data.thumb_ends).buffer);  // of each image's thumbnail
const thumbs = bytes(data.thumbs);
const NEAR = 14, THUMBS_AT_ONCE = 400, CELLS = 256;  // pixels to hit a point; pictures drawn; grid

// A byte of a name that is no UTF-8 comes as a lone surrogate, U+DC80 to U+DCFF.
const exact = (i) => (data.folders[folderOf[i]] + "/" + names[i]).replace(/^\/\//, "/");
const legible = (text) => text.replace(/[\udc80-\udcff]/g, "\ufffd");
const path = (i) => legible(exact(i));
const address = (i) => "file://" + exact(i).split("/").map((part) =>
  part.split(/([\udc80-\udcff])/).map((s) => /^[\udc80-\udcff]$/.test(s)
    ? "%" + (s.charCodeAt(0) - 0xdc00).toString(16) : encodeURIComponent(s)).join("")).join("/");
const urls = new Map();
function thumb(i) {
  const start = i ? ends[i - 1] : 0;
  if (ends[i] === start) return null;
  if (!urls.has(i)) urls.set(i, URL.createObjectURL(
    new Blob([thumbs.subarray(start, ends[i])], { type: "image/webp" })));
  return urls.get(i);
}
const pictures = new Map();
function picture(i) {
  if (!pictures.has(i)) {
    const image = new Image();
    image.onload = redraw;
    image.src = thumb(i);
    pictures.set(i, image);
  }
  return pictures.get(i);
}

// The view: the middle of it in map units, and pixels a unit.
const canvas = $("points"), over = $("drawn"), gl = canvas.getContext("webgl", { antialias: true });
const pen = over.getContext("2d");
let low = [Infinity, Infinity], high = [-Infinity, -Infinity];
for (let i = 0; i < n; i++) for (const a of [0, 1]) {
  low[a] = Math.min(low[a], xy[2 * i + a]); high[a] = Math.max(high[a], xy[2 * i + a]);
}
let wide = 1, tall = 1, middle = [0, 0], scale = 1, whole = 1;
const SIDE = 300;  // pixels that the left panel covers
function fit() {
  const left = wide > 720 ? SIDE : 0;
  const room = [wide - left - 60, tall - 60];
  const span = [0, 1].map((a) => Math.max(high[a] - low[a], 1e-6));
  whole = scale = Math.max(1e-3, Math.min(room[0] / span[0], room[1] / span[1]));
  middle = [(low[0] + high[0]) / 2 - left / 2 / scale, (low[1] + high[1]) / 2];
  redraw();
}
const toScreen = (i) => [wide / 2 + (xy[2 * i] - middle[0]) * scale, tall / 2 - (xy[2 * i + 1] - middle[1]) * scale];
const toMap = (x, y) => [middle[0] + (x - wide / 2) / scale, middle[1] - (y - tall / 2) / scale];
function zoom(by, x = wide / 2, y = tall / 2) {
  const before = toMap(x, y);
  scale = Math.min(Math.max(scale * by, whole / 4), whole * 4000);
  const after = toMap(x, y);
  middle = [middle[0] + before[0] - after[0], middle[1] + before[1] - after[1]];
  redraw();
}

// A grid over the map finds what is near a place without asking every point.
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
function hit(x, y) {
  const r = Math.max(NEAR, size() * 0.6) / scale, at = toMap(x, y);
  let best = -1, least = r * r;
  inside([at[0] - r, at[1] - r], [at[0] + r, at[1] + r], (i) => {
    const d = (xy[2 * i] - at[0]) ** 2 + (xy[2 * i + 1] - at[1]) ** 2;
    if (d <= least && lit[i]) { best = i; least = d; }
  });
  return best;
}

// Colours: one byte for each of red, green, blue and alpha.
const colours = new Uint8Array(4 * n), lit = new Uint8Array(n).fill(1);
let way = ways[0], only = new Set(), found = null, chosen = new Set(), pinned = -1, hovered = -1, stale = true;
function paint() {
  const rgb = way.colours.map((c) => [1, 3, 5].map((at) => parseInt(c.slice(at, at + 2), 16)));
  let shown = 0;
  for (let i = 0; i < n; i++) {
    const m = way.members[i];
    lit[i] = (!only.size || only.has(m)) && (!found || found[i]) ? 1 : 0;
    shown += lit[i];
    colours.set(lit[i] ? rgb[m] : [128, 128, 128], 4 * i);
    colours[4 * i + 3] = lit[i] ? (chosen.size && !chosen.has(i) ? 70 : 235) : 22;
  }
  $("count").textContent = shown === n ? `${n.toLocaleString()} images` : `${shown.toLocaleString()} of ${n.toLocaleString()} images`;
  stale = true;
  redraw();
}

const shader = (type, text) => { const s = gl.createShader(type); gl.shaderSource(s, text); gl.compileShader(s); return s; };
const program = gl.createProgram();
gl.attachShader(program, shader(gl.VERTEX_SHADER, `attribute vec2 place; attribute vec4 colour;
  uniform vec2 middle, scale; uniform mediump float size; varying vec4 shown;
  void main() { gl_Position = vec4((place - middle) * scale, 0.0, 1.0); gl_PointSize = size; shown = colour; }`));
gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `precision mediump float; varying vec4 shown; uniform float size;
  void main() { float away = length(gl_PointCoord - 0.5) * size;
    float alpha = shown.a * clamp(size * 0.5 - away, 0.0, 1.0);
    gl_FragColor = vec4(shown.rgb * alpha, alpha); }`));
gl.linkProgram(program);
gl.useProgram(program);
const buffers = [["place", 2, gl.FLOAT, false], ["colour", 4, gl.UNSIGNED_BYTE, true]].map(([name, width, type, unit]) => {
  const buffer = gl.createBuffer(), at = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(at);
  gl.vertexAttribPointer(at, width, type, unit, 0, 0);
  return buffer;
});
gl.bindBuffer(gl.ARRAY_BUFFER, buffers[0]);
gl.bufferData(gl.ARRAY_BUFFER, xy, gl.STATIC_DRAW);
gl.enable(gl.BLEND);
gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
const uniform = (name) => gl.getUniformLocation(program, name);
const at = { middle: uniform("middle"), scale: uniform("scale"), size: uniform("size") };

const size = () => Math.min(14, Math.max(2.5, 300 / Math.sqrt(n)) * Math.pow(scale / whole, 0.3));
let waiting = false;
function redraw() { if (!waiting) { waiting = true; requestAnimationFrame(draw); } }
function draw() {
  waiting = false;
  const dots = devicePixelRatio;
  gl.viewport(0, 0, canvas.width, canvas.height);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT);
  if (stale) { gl.bindBuffer(gl.ARRAY_BUFFER, buffers[1]); gl.bufferData(gl.ARRAY_BUFFER, colours, gl.DYNAMIC_DRAW); stale = false; }
  gl.uniform2f(at.middle, ...middle);
  gl.uniform2f(at.scale, 2 * scale / wide, 2 * scale / tall);
  gl.uniform1f(at.size, size() * dots);
  gl.drawArrays(gl.POINTS, 0, n);
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  pen.clearRect(0, 0, wide, tall);
  drawPictures();
  for (const i of [pinned, hovered]) if (i >= 0) {
    pen.beginPath(); pen.arc(...toScreen(i), size() / 2 + 4, 0, 7);
    pen.lineWidth = 2; pen.strokeStyle = getComputedStyle(document.body).color; pen.stroke();
  }
  if (lassoed) { pen.beginPath(); lassoed.forEach((p) => pen.lineTo(...p)); pen.closePath();
    pen.fillStyle = "#0072b222"; pen.strokeStyle = "#0072b2"; pen.lineWidth = 1.5; pen.fill(); pen.stroke(); }
}
// Pictures take the place of points where few are in view and there is room between them.
function drawPictures() {
  const from = toMap(0, tall), to = toMap(wide, 0), here = [];
  inside(from, to, (i) => { if (lit[i]) here.push(i); });
  if (!here.length || scale < whole * 2 && n > THUMBS_AT_ONCE) return;
  const side = Math.min(96, Math.max(28, 0.75 * Math.sqrt(wide * tall / Math.max(here.length, 1))));
  const taken = new Set();
  let drawn = 0;
  for (const i of here) {
    const [x, y] = toScreen(i), spot = Math.floor(x / side) + ":" + Math.floor(y / side);
    if (drawn >= THUMBS_AT_ONCE || taken.has(spot) || !thumb(i)) continue;
    taken.add(spot); drawn++;
    const image = picture(i);
    if (!image.complete || !image.naturalWidth) continue;
    const fit = side / Math.max(image.naturalWidth, image.naturalHeight);
    const w = image.naturalWidth * fit, h = image.naturalHeight * fit;
    pen.globalAlpha = chosen.size && !chosen.has(i) ? 0.35 : 1;
    pen.fillStyle = way.colours[way.members[i]];
    pen.fillRect(x - w / 2 - 2, y - h / 2 - 2, w + 4, h + 4);
    pen.drawImage(image, x - w / 2, y - h / 2, w, h);
    pen.globalAlpha = 1;
  }
}

// What is said of an image. Text goes in as text: a name is never markup.
function describe(box, i, large) {
  box.replaceChildren();
  const add = (tag, text, style) => { const e = document.createElement(tag); e.textContent = text; if (style) e.className = style; box.append(e); return e; };
  if (large) {
    const close = add("button", "✕", "close");
    close.setAttribute("aria-label", "Unpin");
    close.onclick = () => pin(-1);
  }
  const small = thumb(i), image = document.createElement("img");
  image.alt = legible(names[i]);
  if (small) image.src = small;
  if (large && location.protocol === "file:") {  // the photo itself, where it still stands
    const full = new Image();
    full.onload = () => { image.src = full.src; if (!small) box.prepend(image); };
    full.src = address(i);
  }
  if (small) box.append(image);
  for (const w of ways) add("p", `${w.name}: ${legible(w.names[w.members[i]])}`);
  add("div", path(i), "path");
  if (large) { const link = add("a", "Open the file"); link.href = address(i); link.target = "_blank"; }
  box.hidden = false;
}
function hover(i, x, y) {
  if (i !== hovered) { hovered = i; redraw(); if (i >= 0) describe($("card"), i, false); else $("card").hidden = true; }
  if (i < 0) return;
  const card = $("card");
  card.style.left = (x + 260 > wide ? x - 256 : x + 16) + "px";
  card.style.top = Math.max(8, Math.min(y + 16, tall - card.offsetHeight - 8)) + "px";
}
function pin(i) { pinned = i; if (i >= 0) describe($("pin"), i, true); else $("pin").hidden = true; redraw(); }

// Lasso: even-odd rule over the polygon.
let lassoed = null;
function within(p, corners) {
  let inner = false;
  for (let a = 0, b = corners.length - 1; a < corners.length; b = a++) {
    const [xa, ya] = corners[a], [xb, yb] = corners[b];
    if (ya > p[1] !== yb > p[1] && p[0] < (xb - xa) * (p[1] - ya) / (yb - ya) + xa) inner = !inner;
  }
  return inner;
}
function choose(corners) {
  chosen = new Set();
  for (let i = 0; i < n; i++) if (lit[i] && within(toScreen(i), corners)) chosen.add(i);
  $("chosen").hidden = !chosen.size;
  $("many").textContent = `${chosen.size.toLocaleString()} selected`;
  $("list").value = [...chosen].map(path).join("\n");
  paint();
}
async function copy() {
  const odd = [...chosen].filter((i) => exact(i) !== path(i)).length;
  try { await navigator.clipboard.writeText($("list").value); } catch { $("list").select(); document.execCommand("copy"); }
  $("many").textContent = `${chosen.size.toLocaleString()} copied` + (odd ? `, ${odd} of them no UTF-8 and not exact` : "");
}

// Pointers: one drags or draws the lasso, two pinch, the wheel zooms.
const down = new Map();
let moved = 0, drawing = false, gap = 0;
const setLasso = (on) => { drawing = on; $("lasso").setAttribute("aria-pressed", on); };
canvas.onpointerdown = (e) => {
  canvas.setPointerCapture(e.pointerId);
  down.set(e.pointerId, [e.clientX, e.clientY]);
  moved = 0; gap = 0;
  lassoed = down.size === 1 && (drawing || e.shiftKey) ? [[e.clientX, e.clientY]] : null;
};
canvas.onpointermove = (e) => {
  const last = down.get(e.pointerId);
  if (!last) return hover(hit(e.clientX, e.clientY), e.clientX, e.clientY);
  moved += Math.abs(e.clientX - last[0]) + Math.abs(e.clientY - last[1]);
  down.set(e.pointerId, [e.clientX, e.clientY]);
  if (lassoed) lassoed.push([e.clientX, e.clientY]);
  else if (down.size === 2) {
    const [[ax, ay], [bx, by]] = [...down.values()], now = Math.hypot(ax - bx, ay - by);
    if (gap) zoom(now / gap, (ax + bx) / 2, (ay + by) / 2);
    gap = now;
  } else middle = [middle[0] - (e.clientX - last[0]) / scale, middle[1] + (e.clientY - last[1]) / scale];
  hover(-1);
  redraw();
};
canvas.onpointerup = canvas.onpointercancel = (e) => {
  down.delete(e.pointerId);
  if (lassoed) { const corners = lassoed; lassoed = null; choose(corners); setLasso(false); }
  else if (moved < 5 && e.type === "pointerup") pin(hit(e.clientX, e.clientY));
};
canvas.onpointerleave = () => hover(-1);
canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoom(Math.exp(-e.deltaY * 0.0015), e.clientX, e.clientY); }, { passive: false });
canvas.onkeydown = (e) => {
  const step = 80 / scale, pan = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key];
  if (pan) { middle = [middle[0] + pan[0] * step, middle[1] + pan[1] * step]; redraw(); }
  else if (e.key === "+" || e.key === "=") zoom(1.3);
  else if (e.key === "-") zoom(1 / 1.3);
  else if (e.key === "0") fit();
  else if (e.key === "l" || e.key === "L") setLasso(!drawing);
  else if (e.key === "Escape") { choose([]); pin(-1); setLasso(false); }
  else return;
  e.preventDefault();
};

function legend() {
  $("legend").replaceChildren(...way.names.map((name, m) => {
    const item = document.createElement("li"), button = document.createElement("button");
    const dot = document.createElement("i"), text = document.createElement("span"), count = document.createElement("b");
    dot.style.background = way.colours[m];
    text.textContent = text.title = legible(name);
    count.textContent = way.counts[m].toLocaleString();
    button.append(dot, text, count);
    button.setAttribute("aria-pressed", only.has(m));
    button.onclick = () => { if (!only.delete(m)) only.add(m); button.setAttribute("aria-pressed", only.has(m)); $("legend").className = only.size ? "some" : ""; paint(); };
    item.append(button);
    return item;
  }));
  $("legend").className = only.size ? "some" : "";
}
$("way").replaceChildren(...ways.map((w, at) => new Option("by " + w.name, at)));
$("way").onchange = (e) => { way = ways[e.target.value]; only = new Set(); legend(); paint(); };
$("search").oninput = (e) => {
  const words = e.target.value.toLowerCase();
  found = words ? Uint8Array.from({ length: n }, (_, i) => path(i).toLowerCase().includes(words)) : null;
  paint();
};
$("lasso").onclick = () => setLasso(!drawing);
$("reset").onclick = fit;
$("clear").onclick = () => choose([]);
$("copy").onclick = copy;
$("title").textContent = legible(data.title);
new ResizeObserver(() => {
  const start = wide === 1;
  wide = innerWidth; tall = innerHeight;
  for (const c of [canvas, over]) { c.width = wide * devicePixelRatio; c.height = tall * devicePixelRatio; }
  if (start) fit(); else redraw();
}).observe(document.documentElement);
legend();
paint();
