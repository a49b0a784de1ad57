// The description of an image. Names are inserted as text, never as markup.
function describe(box, i, large) {
  box.replaceChildren();
  const add = (tag, text, style) => { const e = document.createElement(tag); e.textContent = text; if (style) e.className = style; box.append(e); return e; };
  if (large) {
    const close = add("button", "✕", "close");
    close.setAttribute("aria-label", "Unpin");
    close.onclick = () => pin(-1);
  }
  const image = document.createElement("img");
  image.alt = readable(names[i]);
  if (thumbed(i)) { image.src = thumb(i); box.append(image); }
  else add("div", "no thumbnail", "none");
  if (large && location.protocol === "file:") {  // the photo itself, if it still exists
    const full = new Image();
    full.onload = () => { image.src = full.src; if (pinned === i) box.querySelector("img, .none").replaceWith(image); };
    full.src = address(i);
  }
  for (const w of colourings) add("p", `${w.name}: ${readable(w.names[w.members[i]])}` + (w.percents ? ` (${w.percents[i]} %)` : ""));
  add("div", readable(exact(i)), "path");
  if (large) { const link = add("a", "Open the file"); link.href = address(i); link.target = "_blank"; }
  box.hidden = false;
}
function hover(i, x, y) {
  if (i !== hovered) { hovered = i; remark(); if (i >= 0) describe($("card"), i, false); else $("card").hidden = true; }
  if (i < 0) return;
  const card = $("card");
  card.style.left = (x + 260 > wide ? x - 256 : x + 16) + "px";
  card.style.top = Math.max(8, Math.min(y + 16, tall - card.offsetHeight - 8)) + "px";
}
function pin(i) { pinned = i; if (i >= 0) describe($("pin"), i, true); else $("pin").hidden = true; remark(); }

// Lasso: select the visible points in it.
const LISTED = 1000;  // paths in the list; Copy copies all
let lassoed = null, picked = [];
function choose(corners) {
  const caught = within(corners.map(([x, y]) => toMap(x, y)));
  picked = [];
  for (let i = 0; i < n; i++) if (caught[i] &&= lit[i]) picked.push(i);
  chosen = picked.length ? caught : null;
  $("chosen").hidden = !chosen;
  $("many").textContent = `${picked.length.toLocaleString()} selected`;
  const more = picked.length - LISTED;
  $("list").value = picked.slice(0, LISTED).map((i) => readable(exact(i))).join("\n") + (more > 0 ? `\n… and ${more.toLocaleString()} more; Copy includes them` : "");
  paint();
}
async function copy() {
  const odd = picked.filter((i) => exact(i) !== path(i)).length, text = picked.map(path).join("\n");
  try { await navigator.clipboard.writeText(text); }
  catch { $("list").value = text; $("list").select(); document.execCommand("copy"); }
  $("many").textContent = `${picked.length.toLocaleString()} copied` + (odd ? `, ${odd} of them not exact, since they are not UTF-8` : "");
}

// Pointers: one pointer drags or draws the lasso, two pinch, the wheel zooms.
const down = new Map(), TAP = 5;  // pixels that a click may move
let moved = 0, drawing = false;
const setLasso = (on) => { drawing = on; $("lasso").setAttribute("aria-pressed", on); };
const between = ([ax, ay], [bx, by]) => [(ax + bx) / 2, (ay + by) / 2, Math.hypot(ax - bx, ay - by)];
canvas.onpointerdown = (e) => {
  canvas.setPointerCapture(e.pointerId);
  down.set(e.pointerId, [e.clientX, e.clientY]);
  moved = 0;
  lassoed = down.size === 1 && (drawing || e.shiftKey) ? [[e.clientX, e.clientY]] : null;
};
canvas.onpointermove = (e) => {
  const last = down.get(e.pointerId);
  if (!last) return hover(hit(e.clientX, e.clientY), e.clientX, e.clientY);
  const dx = e.clientX - last[0], dy = e.clientY - last[1];
  moved += Math.abs(dx) + Math.abs(dy);
  const old = [...down.values()];
  down.set(e.pointerId, [e.clientX, e.clientY]);
  if (lassoed) { lassoed.push([e.clientX, e.clientY]); remark(); }
  else if (down.size === 2) {
    const [x0, y0, gap] = between(...old), [x, y, now] = between(...down.values());
    pan(x - x0, y - y0);
    if (gap) zoom(now / gap, x, y);
  } else pan(dx, dy);
  hover(-1);
};
canvas.onpointerup = canvas.onpointercancel = (e) => {
  down.delete(e.pointerId);
  if (lassoed) { const corners = lassoed; lassoed = null; choose(corners); setLasso(false); }
  else if (moved < TAP && e.type === "pointerup") pin(hit(e.clientX, e.clientY));
};
canvas.onpointerleave = () => hover(-1);
canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoom(Math.exp(-e.deltaY * 0.0015), e.clientX, e.clientY); }, { passive: false });
canvas.onkeydown = (e) => {
  const by = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] }[e.key];
  if (by) pan(...by);
  else if (e.key === "+" || e.key === "=") zoom(1.3);
  else if (e.key === "-") zoom(1 / 1.3);
  else if (e.key === "0") fit();
  else if (e.key === "l" || e.key === "L") setLasso(!drawing);
  else return;
  e.preventDefault();
};

document.onkeydown = (e) => { if (e.key === "Escape") { choose([]); pin(-1); setLasso(false); } };

const NAMED = 500;  // groups in the legend; ten thousand would take seconds
function legend() {
  $("legend").replaceChildren(...colouring.names.slice(0, NAMED).map((name, m) => {
    const item = document.createElement("li"), button = document.createElement("button");
    const dot = document.createElement("i"), text = document.createElement("span"), count = document.createElement("b");
    dot.style.background = seen[m];
    text.textContent = text.title = readable(name);
    count.textContent = colouring.counts[m].toLocaleString();
    button.append(dot, text, count);
    button.setAttribute("aria-pressed", only.has(m));
    button.onclick = () => { if (!only.delete(m)) only.add(m); button.setAttribute("aria-pressed", only.has(m)); $("legend").className = only.size ? "some" : ""; paint(); };
    item.append(button);
    return item;
  }));
  $("legend").className = only.size ? "some" : "";
  if (colouring.names.length > NAMED) {
    const more = document.createElement("li");
    more.textContent = `and ${(colouring.names.length - NAMED).toLocaleString()} more`;
    $("legend").append(more);
  }
}
$("colour-by").replaceChildren(...colourings.map((w, at) => new Option("by " + w.name, at)));
$("colour-by").onchange = (e) => { colouring = colourings[e.target.value]; only = new Set(); paint(); legend(); };
dark.onchange = () => { paint(); legend(); };
$("search").oninput = (e) => {
  const words = e.target.value.toLowerCase();
  found = words ? holding(words) : null;
  paint();
};
$("lasso").onclick = () => setLasso(!drawing);
$("reset").onclick = fit;
$("clear").onclick = () => choose([]);
$("copy").onclick = copy;
$("title").textContent = readable(data.title);
$("notes").replaceChildren(...data.notes.map((note) => { const e = document.createElement("p"); e.textContent = readable(note); return e; }));
new ResizeObserver(() => {
  const start = wide === 1;
  wide = innerWidth; tall = innerHeight;
  for (const c of [canvas, over]) { c.width = Math.round(wide * devicePixelRatio); c.height = Math.round(tall * devicePixelRatio); }
  if (start) fit(); else redraw();
}).observe(document.documentElement);
paint();
legend();
