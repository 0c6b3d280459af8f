// The page: pictures come by long polling, one at a time, so a slow viewer gets fewer and never a backlog; the rest comes
// every two seconds. Texts are put into the page as text only, never as markup.
const STATE_EVERY_MS = 2000;
const RETRY_MS = 3000;
const STAGES = {
  decode: "Decode", capture_wait: "Wait for reader", gate: "Scene gate", detect: "Detect", crop: "Crop", orient: "Orient",
  recognize: "Recognise", track: "Track and vote", spool: "Store event", publish: "Broker",
};
const WHOLE = { capture_to_spool: "Frame to stored event", capture_to_publish: "Frame to broker" };
const LEVELS = { streaming: "good", paused: "warn", stalled: "bad", reconnecting: "bad", failed: "bad" };
const SVG = "http://www.w3.org/2000/svg";

const $ = (id) => document.getElementById(id);
const canvas = $("canvas");
const overlay = $("overlay");
let camera = location.hash.slice(1) || null;
let shown = 0; // number of the picture on the screen
let text = null; // its lines
let before = null; // the state before this one, for rates
let waiting = new AbortController(); // ends the wait for a picture when another camera is chosen
let chosen = null; // track that the pointer or the keyboard is on
const announced = new Map();

function element(name, className, content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
}

function announce(about, words) {
  if (announced.has(about) && announced.get(about) !== words) $("announcement").textContent = words;
  announced.set(about, words);
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function ask(path, signal) {
  const answer = await fetch(path, { cache: "no-store", signal });
  if (answer.status === 401) location.replace("/login");
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

// -- the picture

async function watch() {
  for (;;) {
    if (document.hidden || camera === null) {
      await sleep(200);
      continue;
    }
    try {
      waiting = new AbortController();
      const answer = await ask(`/view/${encodeURIComponent(camera)}?after=${shown}`, waiting.signal);
      if (answer.status === 200) await show(await answer.formData());
    } catch {
      if (!waiting.signal.aborted) await sleep(RETRY_MS);
    }
  }
}

async function show(form) {
  const picture = await createImageBitmap(form.get("picture"));
  const found = JSON.parse(form.get("text"));
  if (found.camera !== camera) return;
  text = found;
  shown = text.number;
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
  const [width, height] = text.frame_size ?? [canvas.width, canvas.height];
  overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
  $("notice").hidden = !$("notice").dataset.camera;
  drawLines();
}

function drawLines() {
  overlay.replaceChildren(...text.lines.map((line) => {
    const group = document.createElementNS(SVG, "g");
    const polygon = document.createElementNS(SVG, "polygon");
    const label = document.createElementNS(SVG, "text");
    polygon.setAttribute("points", line.quad.map((point) => point.join(",")).join(" "));
    layOver(label, line.quad);
    label.textContent = line.text;
    group.append(polygon, label);
    group.classList.toggle("chosen", line.track_id === chosen);
    return group;
  }));
  listLines();
  canvas.setAttribute("aria-label", `Live picture of ${camera}, ${text.lines.length} texts legible`);
}

// Lay a text over its line in the picture, as large and as oblique as the line.
function layOver(label, [topLeft, topRight, , bottomLeft]) {
  const across = [topRight[0] - topLeft[0], topRight[1] - topLeft[1]];
  const height = Math.hypot(bottomLeft[0] - topLeft[0], bottomLeft[1] - topLeft[1]);
  const degrees = (Math.atan2(across[1], across[0]) * 180) / Math.PI;
  label.setAttribute("transform", `translate(${topLeft.join(" ")}) rotate(${degrees})`);
  label.setAttribute("y", 0.76 * height);
  label.setAttribute("textLength", Math.hypot(...across));
  label.setAttribute("lengthAdjust", "spacingAndGlyphs");
  label.style.fontSize = `${0.78 * height}px`;
}

function listLines() {
  const list = $("now");
  const rows = new Map([...list.children].map((row) => [row.dataset.track, row]));
  const wanted = text.lines.map((line) => rows.get(String(line.track_id)) ?? newRow(line.track_id));
  text.lines.forEach((line, index) => {
    const [words, score, zone] = wanted[index].firstChild.children;
    if (words.textContent !== line.text) words.textContent = line.text;
    score.textContent = `${Math.round(line.score * 100)} %`;
    zone.textContent = line.zone ?? "";
    zone.hidden = !line.zone;
  });
  const isSame = wanted.length === list.children.length && wanted.every((row, index) => list.children[index] === row);
  if (!isSame) {
    const focused = document.activeElement;
    list.replaceChildren(...wanted);
    if (focused && list.contains(focused)) focused.focus();
  }
  $("now-count").textContent = text.lines.length || "";
  $("now-empty").hidden = text.lines.length > 0;
}

function newRow(track) {
  const row = element("li");
  const button = element("button");
  row.dataset.track = track;
  button.type = "button";
  button.append(element("span", "text"), element("span", "score"), element("span", "zone"));
  const choose = (what) => () => {
    chosen = what;
    button.classList.toggle("chosen", what !== null);
    if (text) drawLines();
  };
  for (const name of ["pointerenter", "focus"]) button.addEventListener(name, choose(track));
  for (const name of ["pointerleave", "blur"]) button.addEventListener(name, choose(null));
  row.append(button);
  return row;
}

// -- everything else

async function follow() {
  for (;;) {
    if (!document.hidden) {
      try {
        showState(await (await ask("/state")).json());
      } catch {
        showStates([["bad", "The box does not answer"]]);
        announce("box", "The box does not answer");
      }
    }
    await sleep(STATE_EVERY_MS);
  }
}

function showState(state) {
  const names = Object.keys(state.cameras);
  if (!names.includes(camera)) choose(names[0]);
  announce("box", "The box answers");
  document.title = `${state.node} · edge-ocr`;
  $("node").textContent = state.node;
  $("version").textContent = `edge-ocr ${state.version}`;
  $("uptime").textContent = `· up ${duration(state.uptime_s)}`;
  showCameras(state.cameras);
  showCamera(state, state.cameras[camera]);
  showDelivery(state);
  showEvents(state.events);
  showStages(state.stages);
  before = state;
}

function showDelivery(state) {
  const lost = Object.values(state.spool.dropped).reduce((sum, count) => sum + count, 0);
  const broker = state.broker.connected ? "Broker connected" : "Broker away";
  const states = [[state.broker.connected ? "good" : "warn", broker]];
  states.push([state.spool.pending > 20 ? "warn" : "good", `${state.spool.pending} waiting, ${state.spool.sent} sent`]);
  if (state.spool.state !== "ok") states.push(["bad", `Spool ${state.spool.state}`]);
  if (lost) states.push(["bad", `${lost} lost`]);
  showStates(states);
  announce("broker", broker);
}

function showStates(states) {
  $("states").replaceChildren(...states.map(([level, words]) => {
    const item = element("li", "state", words);
    item.dataset.level = level;
    return item;
  }));
}

function showCameras(cameras) {
  const group = $("cameras");
  group.hidden = Object.keys(cameras).length < 2;
  const buttons = new Map([...group.children].map((button) => [button.dataset.camera, button]));
  const wanted = Object.keys(cameras).map((name) => buttons.get(name) ?? cameraButton(name));
  for (const button of wanted) {
    button.setAttribute("aria-pressed", String(button.dataset.camera === camera));
    button.firstChild.dataset.level = LEVELS[cameras[button.dataset.camera].state];
  }
  if (wanted.length !== group.children.length || wanted.some((button, index) => group.children[index] !== button)) {
    group.replaceChildren(...wanted);
  }
}

function cameraButton(name) {
  const button = element("button");
  button.type = "button";
  button.dataset.camera = name;
  button.append(element("span", "state", name));
  button.addEventListener("click", () => choose(name));
  return button;
}

function choose(name) {
  camera = name;
  waiting.abort();
  shown = 0;
  text = null;
  history.replaceState(null, "", `#${name}`);
  overlay.replaceChildren();
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  $("now").replaceChildren();
  notify("Waiting for a picture", "");
  if (before) showCameras(before.cameras);
}

function notify(words, about) {
  $("notice").textContent = words;
  $("notice").dataset.camera = about;
  $("notice").hidden = !words;
}

function showCamera(state, now) {
  const level = LEVELS[now.state];
  $("camera-state").textContent = now.state;
  $("camera-state").dataset.level = level;
  announce(`camera ${camera}`, `${camera}: ${now.state}`);
  const age = now.frame_age_ms === null ? "no frame yet" : `newest frame ${duration(now.frame_age_ms / 1000)} old`;
  const why = now.reason ? `: ${now.reason}` : "";
  if (now.state !== "streaming") notify(`${camera}: ${now.state}${why} (${age})`, "state");
  else if ($("notice").dataset.camera || shown) notify(shown ? "" : "Waiting for a picture", "");
  const parts = [];
  const then = before?.boot_id === state.boot_id ? before.cameras[camera] : undefined;
  if (now.fps !== null) parts.push(`${now.fps.toFixed(1)} frames/s`);
  if (then) {
    const seconds = state.uptime_s - before.uptime_s;
    if (seconds > 0) parts.push(`${((now.frames_read - then.frames_read) / seconds).toFixed(1)} read/s`);
  }
  if (text?.frame_size) parts.push(text.frame_size.join(" × "));
  if (now.over_budget) parts.push(`${now.over_budget} over budget`);
  if (now.read_errors) parts.push(`${now.read_errors} errors`);
  $("rates").textContent = parts.join(" · ");
}

function showEvents(events) {
  const list = $("events");
  const several = before && Object.keys(before.cameras).length > 1;
  const newest = events.map((event) => `${event.boot_id}${event.camera}${event.seq}`).join();
  $("events-empty").hidden = events.length > 0;
  if (list.dataset.newest === newest) return;
  list.dataset.newest = newest;
  list.replaceChildren(...events.map((event) => {
    const row = element("li", event.type);
    const time = element("time", "time", new Date(event.ts).toLocaleTimeString([], { hour12: false }));
    time.dateTime = event.ts;
    const kind = element("span", "kind", event.type);
    kind.dataset.kind = event.type;
    const words = element("span", "text", event.text);
    if (event.zone) words.append(" ", element("span", "zone", event.zone));
    if (several) words.append(" ", element("span", "from", event.camera));
    row.append(time, kind, words);
    return row;
  }));
}

function showStages(stages) {
  const found = new Map(stages.map((stage) => [stage.name, stage]));
  const upper = (stage) => stage.p95 ?? stage.p90 ?? stage.max;
  const rows = [...Object.keys(STAGES), ...Object.keys(WHOLE)].filter((name) => found.has(name));
  const longest = Math.max(...rows.filter((name) => name in STAGES).map((name) => upper(found.get(name))), 1);
  const body = $("stages");
  const known = new Map([...body.children].map((row) => [row.dataset.stage, row]));
  body.replaceChildren(...rows.map((name) => {
    const row = known.get(name) ?? stageRow(name);
    const stage = found.get(name);
    const [outer, inner] = row.querySelectorAll("i");
    if (outer) {
      outer.style.width = `${(100 * upper(stage)) / longest}%`;
      inner.style.width = `${(100 * (stage.p50 ?? stage.mean)) / longest}%`;
    }
    row.children[2].textContent = milliseconds(stage.p50);
    row.children[3].textContent = milliseconds(stage.p95);
    return row;
  }));
  $("stages-empty").hidden = rows.length > 0;
}

function stageRow(name) {
  const row = element("tr", name in WHOLE ? "whole" : "");
  row.dataset.stage = name;
  const head = element("th", "", STAGES[name] ?? WHOLE[name]);
  head.scope = "row";
  const bar = element("td", "bar");
  if (name in STAGES) {
    const track = element("div");
    track.append(element("i"), element("i"));
    bar.append(track);
  }
  row.append(head, bar, element("td"), element("td"));
  return row;
}

function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}

function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

$("labels").addEventListener("click", () => {
  const isOn = overlay.classList.toggle("with-labels");
  $("labels").setAttribute("aria-pressed", String(isOn));
});

watch();
follow();
