// Reads the record of a run, which is a list of events, and draws it; while training runs it asks for new events.
const record = { events: [], generation: 0 };
const $ = (id) => document.getElementById(id);
const of = (kind) => record.events.filter((e) => e.kind === kind);
const newest = (kind) => of(kind).at(-1);

function pairs(list, entries) {
  list.replaceChildren(...entries.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", { "data-fact": name }, String(value)))));
}

function clock(s) {
  const pad = (v) => String(Math.floor(v)).padStart(2, "0");
  return `${Math.floor(s / 3600)}:${pad((s % 3600) / 60)}:${pad(s % 60)}`;
}

// Readings of the workers by rank, each an object; what a worker says counts up from its start.
function readings(look) {
  const names = newest("begin")?.columns ?? [];
  return look.workers.map((row) => row && Object.fromEntries(names.map((name, i) => [name, row[i]])));
}

// Points (step, f(older, newer, seconds between)) of one worker between looks; a restart begins anew.
function between(looks, rank, f) {
  const points = [];
  let older = null;
  for (const look of looks) {
    const newer = look.read[rank];
    if (!newer) continue;
    if (older && newer.at > older.at && newer.step >= older.step) points.push([look.step, f(older, newer, newer.at - older.at)]);
    older = newer;
  }
  return points;
}

function drawCurves(looks, epochs, begin) {
  const batches = between(looks, 0, (a, b) => (b.weight > a.weight ? (b.loss - a.loss) / (b.weight - a.weight) : NaN)).filter((p) => Number.isFinite(p[1]));
  const line = (name) => epochs.filter((e) => Number.isFinite(e.line[name])).map((e) => [e.line.iteration, e.line[name]]);
  const losses = begin.metrics.filter((name) => /^(val_)?loss$/i.test(name));
  const series = [{ name: "batches", points: batches, color: color(7) }, { name: "training", points: line("loss"), color: color(0), thick: true }];
  losses.filter((name) => name !== "loss").forEach((name) => series.push({ name: `validation`, points: line(name), color: color(1), thick: true }));
  const figures = [chart({ id: "loss", title: "Loss", series })];
  for (const name of begin.metrics) if (!losses.includes(name) && line(name).length) figures.push(chart({ id: `metric:${name}`, title: name, series: [{ name: "validation", points: line(name), color: color(1), thick: true }] }));
  const rate = [];
  for (let i = 1; i < looks.length; i += 1) {
    const a = looks[i - 1], b = looks[i];
    if (b.t > a.t && b.samples >= a.samples) rate.push([b.step, (b.samples - a.samples) / (b.t - a.t)]);
  }
  figures.push(chart({ id: "throughput", title: "Samples per second", series: [{ name: "all workers", points: rate, color: color(2) }], zero: true }));
  figures.push(chart({ id: "lr", title: "Learning rate", series: [{ name: "lr", points: line("lr"), color: color(3) }] }));
  $("curves").replaceChildren(...figures);
  return rate;
}

function drawTime(looks, begin) {
  const ranks = [...Array(Math.max(0, ...looks.map((l) => l.read.length))).keys()];
  const shares = begin.phases.map((phase) => ({
    name: phase,
    points: meanOf(ranks.map((rank) => between(looks, rank, (a, b, s) => (b[phase] - a[phase]) / s))),
  }));
  const rest = shares[0].points.map(([x], i) => [x, Math.max(0, 1 - shares.reduce((sum, s) => sum + (s.points[i]?.[1] ?? 0), 0))]);
  const shown = [...shares, { name: "rest", points: rest }].map((s, i) => ({ ...s, color: color(i) })).filter((s) => s.points.some((p) => p[1] > 0.002));
  const each = (f) => ranks.map((rank) => ({ name: `task ${rank}`, points: between(looks, rank, f) }));
  const memory = ranks.map((rank) => ({ name: `task ${rank}`, points: looks.filter((l) => l.read[rank]).map((l) => [l.step, l.read[rank].memory]) }));
  $("time").replaceChildren(
    chart({ id: "phases", title: "Time by phase, mean of the workers", series: shown, stacked: true, format: percent }),
    chart({ id: "memory", title: "Memory", series: memory, format: bytes, zero: true }),
    chart({ id: "cpu", title: "Processor cores in use", series: each((a, b, s) => (b.cpu - a.cpu) / s), zero: true }),
    chart({ id: "traffic", title: "Bytes per second, sent and received", series: each((a, b, s) => (b.sent - a.sent + b.received - a.received) / s), format: bytes, zero: true }),
    chart({ id: "starved", title: "Starved by the feed, share of time", series: each((a, b, s) => (b.starved - a.starved) / s), format: percent, zero: true }),
  );
}

function meanOf(curves) {
  const sums = new Map();
  for (const curve of curves) for (const [x, y] of curve) { const [n, v] = sums.get(x) ?? [0, 0]; sums.set(x, [n + 1, v + y]); }
  return [...sums].sort((a, b) => a[0] - b[0]).map(([x, [n, v]]) => [x, v / n]);
}

function table(node, heads, rows) {
  const cell = (v) => (Array.isArray(v) ? make("td", { "data-value": v[1] }, v[0]) : make("td", {}, v));
  node.replaceChildren(
    make("thead", {}, make("tr", {}, ...heads.map((h) => make("th", { scope: "col" }, h)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell)))),
  );
}

function drawTables(looks, epochs, begin) {
  const last = looks.at(-1)?.read ?? [], before = (rank) => looks.slice(0, -1).reverse().find((l) => l.read[rank] && l.read[rank].at < last[rank].at)?.read[rank];
  const rows = last.map((r, rank) => {
    if (!r) return [String(rank), ...Array(9).fill("–")];
    const a = before(rank) ?? { at: 0, rows: 0, cpu: 0, sent: 0, received: 0, starved: 0 }, s = Math.max(r.at - a.at, 1e-9), share = (name) => percent(r[name] / r.at);
    return [String(rank), String(r.step), [short(r.rows), r.rows], short((r.rows - a.rows) / s), [bytes(r.memory), r.memory], short((r.cpu - a.cpu) / s), bytes((r.sent - a.sent) / s), bytes((r.received - a.received) / s), share("starved"), share("compute"), share("wait")];
  });
  table($("workers"), ["task", "steps", "rows", "rows/s", "memory", "cores", "sent/s", "received/s", "starved", "computing", "waiting"], rows);
  const names = [...new Set(epochs.flatMap((e) => Object.keys(e.line)))];
  table($("epochs"), names, epochs.map((e) => names.map((name) => (typeof e.line[name] === "number" ? [String(+e.line[name].toPrecision(6)), e.line[name]] : e.line[name] ?? "–"))));
}

function drawHistograms() {
  const events = of("histograms");
  $("histograms-section").hidden = !events.length;
  if (!events.length) return;
  const figures = [];
  events.at(-1).groups.forEach((group, i) => {
    for (const what of ["weights", "gradients"]) {
      const over = events.filter((e) => e.groups[i]?.name === group.name).map((e) => [e.step, ...e.groups[i][what].quantiles]);
      const band = (a, b, opacity) => ({ points: over.map((p) => [p[0], p[a], p[b]]), opacity, color: color(what === "weights" ? 0 : 1) });
      const figure = chart({ id: `${what}:${group.name}`, title: `${group.name}, ${what}`, series: [{ name: "median", points: over.map((p) => [p[0], p[3]]), color: color(what === "weights" ? 0 : 1) }], bands: [band(1, 5, 0.2), band(2, 4, 0.35)] });
      const now = group[what].bars;
      if (now.counts.length) figure.append(bars({ id: `now:${what}:${group.name}`, title: `${group.name}, ${what} after step ${events.at(-1).step}`, ...now }));
      figures.push(figure);
    }
  });
  $("histograms").replaceChildren(...figures);
}

function draw() {
  const begin = newest("begin");
  if (!begin) return;
  const looks = of("look").map((l) => ({ ...l, read: readings(l) })), epochs = of("epoch"), end = newest("end"), last = looks.at(-1);
  const state = end ? end.state : lost ? "lost" : looks.length || epochs.length ? "training" : "starting";
  document.title = `${begin.model}: ${state}`;
  $("model").textContent = begin.model;
  $("state").textContent = state === "lost" ? "no answer: has the program ended?" : state;
  $("state").dataset.state = state;
  $("error").hidden = !end?.error;
  $("error").textContent = end?.error ?? "";
  const rate = drawCurves(looks, epochs, begin);
  const done = last ? last.done / last.steps : 0;
  $("bar").firstElementChild.style.width = `${100 * done}%`;
  $("bar").setAttribute("aria-valuenow", Math.round(100 * done));
  pairs($("facts"), [
    ["epochs finished", epochs.length ? epochs.at(-1).line.epoch : 0], ["step", last?.step ?? 0],
    ["loss", short(epochs.length ? epochs.at(-1).line.loss : last?.loss)], ["samples", short(last?.samples ?? 0)],
    ["samples/s", short(rate.at(-1)?.[1])], ["time", clock(end?.t ?? last?.t ?? 0)], ["workers", last?.read.length ?? 0],
  ]);
  drawTime(looks, begin);
  drawTables(looks, epochs, begin);
  drawHistograms();
  pairs($("settings"), Object.entries(begin.settings));
  $("net").textContent = begin.net;
  $("costs").hidden = !end?.costs;
  $("costs").textContent = end?.costs ?? "";
}

let lost = false;

function take({ generation, events, all }) {
  if (all) record.events = [];
  record.generation = generation;
  record.events.push(...events);
  if (events.length || all) draw();
}

// Once a second, less often while nobody looks; after the end never again.
async function ask() {
  try {
    const token = new URLSearchParams(location.search).get("token");
    const answer = await fetch(`events?token=${encodeURIComponent(token)}&generation=${record.generation}&since=${record.events.length}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    take(await answer.json());
  } catch {
    lost = true;
    draw();
    return;
  }
  if (!newest("end")) setTimeout(ask, document.hidden ? 5000 : 1000);
}

const stored = JSON.parse($("record").textContent);
if (stored.live) ask();
else take({ ...stored, all: true });
