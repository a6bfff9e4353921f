// Line, area and band charts in SVG. Text goes in as text, never as markup.
const SVG = "http://www.w3.org/2000/svg", W = 420, H = 200, L = 66, R = 10, T = 10, B = 24;

function make(name, attributes, ...inside) {
  const node = name.startsWith("svg:") ? document.createElementNS(SVG, name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  for (const each of inside) node.append(each);
  return node;
}

const color = (i) => `var(--c${i % 10})`;

function short(v) {
  if (v === null || v === undefined || !Number.isFinite(v)) return "–";
  const a = Math.abs(v);
  if (a >= 1e9) return `${+(v / 1e9).toPrecision(3)}G`;
  if (a >= 1e6) return `${+(v / 1e6).toPrecision(3)}M`;
  if (a >= 1e4) return `${+(v / 1e3).toPrecision(3)}k`;
  return a !== 0 && a < 1e-3 ? v.toExponential(1) : String(+v.toPrecision(4));
}

const percent = (v) => (Number.isFinite(v) ? `${(100 * v).toFixed(v < 0.1 ? 1 : 0)} %` : "–");

function bytes(v) {
  if (!Number.isFinite(v)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (Math.abs(v) >= 1024 && i < units.length - 1) { v /= 1024; i += 1; }
  return `${i ? v.toFixed(1) : Math.round(v)} ${units[i]}`;
}

function ticks(low, high, wanted) {
  const raw = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) found.push(+v.toPrecision(10));
  return found;
}

// A curve with more points than pixels is drawn through every n-th, and always through its last.
function thin(points, most = 400) {
  if (points.length <= most) return points;
  const n = Math.ceil(points.length / most);
  return points.filter((_, i) => i % n === 0 || i === points.length - 1);
}

function extent(values, zero) {
  let low = zero ? 0 : Infinity, high = zero ? 0 : -Infinity;
  for (const v of values) if (Number.isFinite(v)) { if (v < low) low = v; if (v > high) high = v; }
  if (low > high) return [0, 1];
  return low === high ? [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2] : [low, high];
}

// series: [{name, points: [[x, y]], area: draw from the series below}]; bands: [{points: [[x, low, high]], opacity}]
function chart({ id, title, series, bands = [], format = short, zero = false, stacked = false, xname = "step", xformat = short }) {
  let drawn = series.map((s, i) => ({ ...s, color: s.color ?? color(i), points: thin(s.points) }));
  if (stacked) {
    const sums = new Map();
    drawn = drawn.map((s) => ({ ...s, base: s.points.map(([x]) => [x, sums.get(x) || 0]), points: s.points.map(([x, y]) => { sums.set(x, (sums.get(x) || 0) + y); return [x, sums.get(x), y]; }) }));
  }
  const all = drawn.flatMap((s) => s.points), inBands = bands.flatMap((b) => b.points);
  const [x0, x1] = extent([...all, ...inBands].map((p) => p[0]), false);
  let [y0, y1] = stacked ? [0, 1] : extent([...all.map((p) => p[1]), ...inBands.flatMap((b) => [b[1], b[2]])], zero);
  if (!stacked && !zero) { const room = (y1 - y0) * 0.05; y0 -= room; y1 += room; }
  const X = (x) => L + ((x - x0) / (x1 - x0)) * (W - L - R), Y = (y) => H - B - ((y - y0) / (y1 - y0)) * (H - T - B);
  const path = (points) => points.filter((p) => Number.isFinite(p[1])).map(([x, y], i) => `${i ? "L" : "M"}${X(x).toFixed(1)} ${Y(y).toFixed(1)}`).join("");
  const last = drawn.map((s) => `${s.name} ${format(s.points.length ? s.points.at(-1)[stacked ? 2 : 1] : NaN)}`).join(", ");
  const svg = make("svg:svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${title} by ${xname}. Newest: ${last}`, "data-chart": id });
  for (const v of ticks(y0, y1, 4)) svg.append(make("svg:line", { class: "grid", x1: L, x2: W - R, y1: Y(v), y2: Y(v) }), make("svg:text", { x: L - 5, y: Y(v) + 4, "text-anchor": "end" }, format(v)));
  for (const v of ticks(x0, x1, 5)) svg.append(make("svg:text", { x: X(v), y: H - 8, "text-anchor": "middle" }, xformat(v)));
  svg.append(make("svg:line", { class: "axis", x1: L, x2: W - R, y1: H - B, y2: H - B }));
  for (const b of bands) {
    const there = thin(b.points).filter((p) => Number.isFinite(p[1]) && Number.isFinite(p[2]));
    svg.append(make("svg:path", { d: `${path(there)}${path(there.map((p) => [p[0], p[2]]).reverse()).replace("M", "L")}Z`, fill: b.color ?? color(0), opacity: b.opacity }));
  }
  for (const s of drawn) {
    if (stacked) svg.append(make("svg:path", { d: `${path(s.points)}${path(s.base.slice().reverse()).replace("M", "L")}Z`, fill: s.color, opacity: 0.75 }));
    else svg.append(make("svg:path", { d: path(s.points), fill: "none", stroke: s.color, "stroke-width": s.thick ? 2.2 : 1.4, "stroke-linejoin": "round", "data-series": s.name, "data-points": s.points.length }));
    if (!stacked && s.points.length === 1) svg.append(make("svg:circle", { cx: X(s.points[0][0]), cy: Y(s.points[0][1]), r: 3, fill: s.color }));
  }
  const legend = make("ul", { class: "legend" }), cells = [];
  for (const s of drawn) {
    const dash = make("i"), cell = make("span", {}, `${s.name} ${format(s.points.length ? s.points.at(-1)[stacked ? 2 : 1] : NaN)}`);
    dash.style.background = s.color;
    cells.push(cell);
    legend.append(make("li", {}, dash, cell));
  }
  const figure = make("figure", {}, make("figcaption", {}, make("h3", {}, title), legend), svg);
  const cursor = make("svg:line", { class: "cursor", y1: T, y2: H - B, visibility: "hidden" });
  svg.append(cursor);
  const tell = (x) => drawn.forEach((s, i) => {
    const near = s.points.length ? s.points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a)) : null;
    cells[i].textContent = `${s.name} ${format(near ? near[stacked ? 2 : 1] : NaN)}`;
  });
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), at = ((event.clientX - box.left) / box.width) * W, x = x0 + ((at - L) / (W - L - R)) * (x1 - x0);
    cursor.setAttribute("x1", at); cursor.setAttribute("x2", at); cursor.setAttribute("visibility", "visible");
    tell(x);
  });
  svg.addEventListener("pointerleave", () => { cursor.setAttribute("visibility", "hidden"); tell(x1); });
  return figure;
}

// A histogram as bars: {low, high, counts}.
function bars({ id, title, low, high, counts }) {
  const most = Math.max(...counts, 1), w = 200, h = 60, svg = make("svg:svg", { viewBox: `0 0 ${w} ${h + 16}`, role: "img", "aria-label": `${title}: from ${short(low)} to ${short(high)}`, "data-chart": id });
  counts.forEach((c, i) => svg.append(make("svg:rect", { x: (i * w) / counts.length, width: w / counts.length - 0.5, y: h - (c / most) * h, height: (c / most) * h, fill: color(0) })));
  svg.append(make("svg:line", { class: "axis", x1: 0, x2: w, y1: h, y2: h }), make("svg:text", { x: 0, y: h + 13 }, short(low)), make("svg:text", { x: w, y: h + 13, "text-anchor": "end" }, short(high)));
  return svg;
}
