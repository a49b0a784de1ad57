// The view and its drawing: points by one WebGL call, and thumbnails and marks on top of them.
const NEAR = 14, THUMBS_AT_ONCE = 400;  // pixels to hit a point; thumbnails drawn
const SIDE = 320;  // pixels that the left panel covers; in a narrow window it is above the map
// No antialiasing: the points smooth their own edges, and without a GPU it is 4 times slower.
const canvas = $("points"), over = $("drawn"), gl = canvas.getContext("webgl", { antialias: false });
if (!gl) {
  $("count").textContent = "This browser has no WebGL, which the map needs. Try another browser, or embedtool map --png.";
  throw new Error("no WebGL");
}
const pen = over.getContext("2d");
let wide = 1, tall = 1, middle = [0, 0], scale = 1, whole = 1;  // the middle in map units, pixels per unit
function fit() {
  const narrow = wide <= 720, left = narrow ? 0 : SIDE, top = narrow ? $("side").offsetHeight : 0;
  const available = [wide - left - 60, tall - top - 60];
  const span = [0, 1].map((a) => Math.max(high[a] - low[a], 1e-6));
  whole = scale = Math.max(1e-3, Math.min(available[0] / span[0], available[1] / span[1]));
  middle = [(low[0] + high[0]) / 2 - left / 2 / scale, (low[1] + high[1]) / 2 + top / 2 / scale];
  redraw();
}
const toScreen = (i) => [wide / 2 + (xy[2 * i] - middle[0]) * scale, tall / 2 - (xy[2 * i + 1] - middle[1]) * scale];
const toMap = (x, y) => [middle[0] + (x - wide / 2) / scale, middle[1] - (y - tall / 2) / scale];
function pan(dx, dy) { middle = [middle[0] - dx / scale, middle[1] + dy / scale]; redraw(); }
function zoom(by, x = wide / 2, y = tall / 2) {
  const before = toMap(x, y);
  scale = Math.min(Math.max(scale * by, whole / 4), whole * 4000);
  const after = toMap(x, y);
  middle = [middle[0] + before[0] - after[0], middle[1] + before[1] - after[1]];
  redraw();
}
function hit(x, y) {  // a thumbnail that covers the position, or the nearest point
  const covering = shown.findLast((p) => Math.abs(p.x - x) <= p.w / 2 && Math.abs(p.y - y) <= p.h / 2);
  if (covering) return covering.i;
  const r = Math.max(NEAR, size() * 0.6) / scale, at = toMap(x, y);
  let best = -1, least = r * r;
  inside([at[0] - r, at[1] - r], [at[0] + r, at[1] + r], (i) => {
    const d = (xy[2 * i] - at[0]) ** 2 + (xy[2 * i + 1] - at[1]) ** 2;
    if (d <= least && lit[i]) { best = i; least = d; }
  });
  return best;
}

// Colours: one byte for each of red, green, blue and alpha.
const colours = new Uint8Array(4 * n), lit = new Uint8Array(n);
let colouring = colourings[0], only = new Set(), found = null, chosen = null, pinned = -1, hovered = -1;
const likely = (i) => colouring.percents ? 0.25 + 0.0075 * colouring.percents[i] : 1;  // less probable is paler
const dark = matchMedia("(prefers-color-scheme: dark)");
let seen = [];  // the colours of the groups as drawn
function paint() {
  const rgb = colouring.colours.map((c) => [1, 3, 5].map((at) => parseInt(c.slice(at, at + 2), 16)));
  if (dark.matches) for (const c of rgb)  // colours too dark for a dark page are lightened by a third
    if (Math.max(...c) < 140) c.forEach((v, a) => { c[a] = Math.round(v + (255 - v) / 3); });
  seen = rgb.map((c) => `rgb(${c})`);
  let count = 0;
  for (let i = 0; i < n; i++) {
    const m = colouring.members[i];
    lit[i] = (!only.size || only.has(m)) && (!found || found[i]) ? 1 : 0;
    count += lit[i];
    for (let a = 0; a < 3; a++) colours[4 * i + a] = lit[i] ? rgb[m][a] : 128;
    colours[4 * i + 3] = lit[i] ? (chosen && !chosen[i] ? 70 : 235) * likely(i) : 22;
  }
  $("count").textContent = count === n ? `${n.toLocaleString()} images` : `${count.toLocaleString()} of ${n.toLocaleString()} images`;
  gl.bindBuffer(gl.ARRAY_BUFFER, buffers[1]);
  gl.bufferData(gl.ARRAY_BUFFER, colours, gl.DYNAMIC_DRAW);
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
const buffers = [gl.createBuffer(), gl.createBuffer()];
gl.bindBuffer(gl.ARRAY_BUFFER, buffers[0]);
gl.bufferData(gl.ARRAY_BUFFER, xy, gl.STATIC_DRAW);
gl.enable(gl.BLEND);
gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
const uniform = (name) => gl.getUniformLocation(program, name);
const at = { middle: uniform("middle"), scale: uniform("scale"), size: uniform("size") };
const size = () => Math.min(14, Math.max(2.5, 300 / Math.sqrt(n)) * Math.pow(scale / whole, 0.3));
function drawPoints(every) {
  ["place", "colour"].forEach((name, b) => {  // eight and four bytes per point
    const place = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[b]);
    gl.enableVertexAttribArray(place);
    if (b) gl.vertexAttribPointer(place, 4, gl.UNSIGNED_BYTE, true, 4 * every, 0);
    else gl.vertexAttribPointer(place, 2, gl.FLOAT, false, 8 * every, 0);
  });
  gl.viewport(0, 0, canvas.width, canvas.height);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT);
  gl.uniform2f(at.middle, ...middle);
  gl.uniform2f(at.scale, 2 * scale / wide, 2 * scale / tall);
  gl.uniform1f(at.size, size() * devicePixelRatio);
  gl.drawArrays(gl.POINTS, 0, Math.ceil(n / every));
}

// Without a GPU, drawing 100,000 points takes longer than a frame. So whenever the view is at rest,
// the time to draw all is measured, and while it moves, only every second, fourth, ... is drawn.
const FRAME = 20, REST = 150;  // milliseconds for the points of a frame; until the view is at rest
const FEWEST = 16;  // at the fewest, every sixteenth point is drawn
let every = 1, resting = 0;
function drawAll() {
  const begun = performance.now();
  drawPoints(1);
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));  // waits for the drawing
  every = Math.min(FEWEST, 2 ** Math.ceil(Math.log2(Math.max(1, (performance.now() - begun) / FRAME))));
}
let waiting = 0, stale = false;
const remark = () => { waiting ||= requestAnimationFrame(draw); };  // thumbnails and marks only
const redraw = () => { stale = true; remark(); };
function draw() {
  waiting = 0;
  if (stale) {
    stale = false;
    drawPoints(every);
    clearTimeout(resting);
    resting = setTimeout(() => requestAnimationFrame(drawAll), REST);
  }
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  pen.clearRect(0, 0, wide, tall);
  shown = [];
  if (n <= THUMBS_AT_ONCE || scale >= whole * 2) drawPictures();
  for (const i of [pinned, hovered]) if (i >= 0) {
    pen.beginPath(); pen.arc(...toScreen(i), size() / 2 + 4, 0, 7);
    pen.lineWidth = 2; pen.strokeStyle = getComputedStyle(document.body).color; pen.stroke();
  }
  if (lassoed) { pen.beginPath(); lassoed.forEach((p) => pen.lineTo(...p)); pen.closePath();
    pen.fillStyle = "#0072b222"; pen.strokeStyle = "#0072b2"; pen.lineWidth = 1.5; pen.fill(); pen.stroke(); }
}

const pictures = new Map();
let shown = [];  // the thumbnails drawn, and where
function picture(i) {
  if (!pictures.has(i)) {
    const image = new Image();
    image.onload = remark;
    image.src = thumb(i);
    pictures.set(i, image);
    if (pictures.size > 3 * THUMBS_AT_ONCE) pictures.delete(pictures.keys().next().value);
  }
  return pictures.get(i);
}
// Thumbnails replace points if there is space between them: one in each square of a grid that moves
// with the map, so that a thumbnail stays while it is in view.
function drawPictures() {
  const here = [], area = wide * tall;
  inside(toMap(0, tall), toMap(wide, 0), (i) => { if (lit[i] && thumbed(i)) here.push(i); });
  const wanted = Math.min(96, Math.max(28, Math.sqrt(area / THUMBS_AT_ONCE), 0.75 * Math.sqrt(area / here.length)));
  const side = 2 ** (Math.floor(4 * Math.log2(wanted)) / 4), step = side / scale;  // one of few sizes
  const taken = new Set();
  for (const i of here) {
    const spot = Math.floor(xy[2 * i] / step) * 65536 + Math.floor(xy[2 * i + 1] / step);
    if (taken.has(spot)) continue;
    taken.add(spot);
    const image = picture(i);
    if (!image.complete || !image.naturalWidth) continue;
    const [x, y] = toScreen(i), fit = side / Math.max(image.naturalWidth, image.naturalHeight);
    const w = image.naturalWidth * fit, h = image.naturalHeight * fit;
    pen.globalAlpha = chosen && !chosen[i] ? 0.35 : 1;
    pen.fillStyle = seen[colouring.members[i]];
    pen.fillRect(x - w / 2 - 2, y - h / 2 - 2, w + 4, h + 4);
    pen.drawImage(image, x - w / 2, y - h / 2, w, h);
    pen.globalAlpha = 1;
    shown.push({ i, x, y, w, h });
  }
}
