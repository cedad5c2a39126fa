// The console: reads localcloud's state as JSON and draws it. Whatever comes from outside becomes text, never markup.
"use strict";

const ROOT = "/_localcloud/console";
const REFRESH_MS = 3000;
const SVG = "http://www.w3.org/2000/svg";
const PAGES = [
  ["", "Overview"], ["jobs", "Jobs"], ["services", "Services"], ["functions", "Functions"],
  ["queues", "Queues"], ["tables", "Tables"], ["buckets", "Buckets"], ["alarms", "Alarms"], ["faults", "Faults"],
  ["calls", "Calls"],
];
const GOOD = new Set(["Completed", "COMPLETED", "SUCCEEDED", "OK", "Active", "ACTIVE", "healthy", "HEALTHY", "RUNNING",
  "running", "InService", "PRIMARY", "Enabled"]);
const BAD = new Set(["Failed", "FAILED", "ALARM", "unhealthy", "UNHEALTHY"]);
const BUSY = new Set(["InProgress", "IN_PROGRESS", "Stopping", "STARTING", "Pending", "PENDING", "PROVISIONING",
  "RUNNABLE", "SUBMITTED", "initial", "draining", "DEACTIVATING", "STOPPING", "pending", "stopping", "CREATING"]);

// -- elements ---------------------------------------------------------------------------------------------------------

function make(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined).map(
    (child) => (child instanceof Node ? child : String(child))));
  return node;
}
const h = (tag, attributes = {}, ...children) => make(document.createElement(tag), attributes, children);
const s = (tag, attributes = {}, ...children) => make(document.createElementNS(SVG, tag), attributes, children);

// Makes the old tree like the new one and leaves alone what is the same: no flicker, no lost focus, no lost scroll.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  const keepsOpen = old.nodeName === "DETAILS";
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(keepsOpen && name === "open")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  morphChildren(old, [...fresh.childNodes]);
}

function morphChildren(parent, fresh) {
  const atEnd = parent.classList.contains("log") && parent.scrollTop + parent.clientHeight >= parent.scrollHeight - 4;
  const old = [...parent.childNodes];
  fresh.forEach((node, index) => (index < old.length ? morph(old[index], node) : parent.append(node)));
  old.slice(fresh.length).forEach((node) => node.remove());
  if (atEnd) parent.scrollTop = parent.scrollHeight;
}

// -- small parts ------------------------------------------------------------------------------------------------------

const link = (path, text) => h("a", { href: `${ROOT}${location.search}#/${path}` }, text);
const part = (...parts) => parts.map(encodeURIComponent).join("/");

function state(word) {
  const kind = GOOD.has(word) ? " good" : BAD.has(word) ? " bad" : BUSY.has(word) ? " busy" : "";
  return h("span", { class: `state${kind}` }, word || "–");
}

function when(moment) {
  if (!moment) return "–";
  const at = new Date(moment);
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  const text = seconds < 60 ? "just now" : seconds < 3600 ? `${Math.floor(seconds / 60)} min ago`
    : seconds < 86400 ? `${Math.floor(seconds / 3600)} h ago` : at.toLocaleDateString();
  return h("time", { datetime: at.toISOString(), title: at.toLocaleString() }, text);
}

function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 2 ** (10 * power)).toFixed(power ? 1 : 0)} ${units[power]}`;
}

const number = (value) => (Math.abs(value) >= 1000 || Number.isInteger(value) ? (value + 0).toLocaleString("en", {
  maximumFractionDigits: 1 }) : value.toPrecision(3).replace(/\.?0+$/, ""));

const empty = (...text) => h("p", { class: "empty" }, ...text);
const code = (text) => h("code", {}, text);
const heading = (text, crumb) => [crumb ? h("p", { class: "crumb" }, crumb) : null, h("h1", {}, text)];
const section = (title, ...content) => [h("h2", {}, title), ...content];

// Columns: [title, (row) => content, class].
function table(rows, columns, whenEmpty) {
  if (!rows.length) return whenEmpty;
  const head = h("tr", {}, columns.map(([title, , kind]) => h("th", { scope: "col", class: kind }, title)));
  const body = rows.map((row) => h("tr", {}, columns.map(([, cell, kind]) => h("td", { class: kind }, cell(row)))));
  return h("div", { class: "card" }, h("table", {}, h("thead", {}, head), h("tbody", {}, body)));
}

const log = (lines, whenEmpty) => (lines.length
  ? h("pre", { class: "log", tabindex: "0", "aria-label": "Log" }, lines.join("\n")) : empty(whenEmpty));

const raw = (about) => h("details", {}, h("summary", {}, "Everything the service says"),
  h("pre", { class: "log", tabindex: "0" }, JSON.stringify(about, null, 2)));

const share = (percent) => h("div", { class: "share" },
  h("meter", { min: 0, max: 100, value: percent, "aria-label": `${percent} percent` }), h("span", {}, `${number(percent)} %`));

// -- charts -----------------------------------------------------------------------------------------------------------

function ticks(low, high) {
  const rough = (high - low) / 3 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.floor(low / step) * step; at <= high + step / 1000 || found.length < 2; at += step) {
    found.push(Number(at.toPrecision(12)));
  }
  if (found[found.length - 1] < high) found.push(Number((found[found.length - 1] + step).toPrecision(12)));
  return found;
}

const clock = (millis, precise) => new Date(millis).toLocaleTimeString("en-GB",
  precise ? {} : { hour: "2-digit", minute: "2-digit" });

function chart(line, index, limit) {
  const last = line.points.length ? number(line.points[line.points.length - 1][1]) : "no data yet";
  const shown = line.unit && line.points.length ? `${last} ${line.unit}` : last;
  const caption = h("figcaption", {}, h("span", {}, line.title), h("b", {}, shown));
  return h("figure", { class: "chart" }, caption, line.points.length ? plot(line, index, limit) : null);
}

function plot(line, index, limit) {
  const [width, height, left, right, top, bottom] = [340, 140, 46, 10, 10, 20];
  const values = line.points.map(([, value]) => value).concat(limit === undefined || limit === null ? [] : [limit]);
  const scale = ticks(Math.min(0, ...values), Math.max(...values));
  const [low, high] = [scale[0], scale[scale.length - 1]];
  const [first, final] = [line.points[0][0], line.points[line.points.length - 1][0]];
  const x = (at) => left + (final > first ? (at - first) / (final - first) : 0.5) * (width - left - right);
  const y = (value) => top + (1 - (value - low) / (high - low || 1)) * (height - top - bottom);
  const colour = `s${index % 4}`;
  const precise = final - first < 600000;
  const path = line.points.map(([at, value], i) => `${i ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const dots = line.points.length > 80 ? [] : line.points.map(([at, value]) => s("circle",
    { class: colour, cx: x(at).toFixed(1), cy: y(value).toFixed(1), r: 2.5 },
    s("title", {}, `${clock(at, true)}  ${number(value)} ${line.unit}`)));
  return s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${line.title} over time` },
    scale.map((value) => [s("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
      s("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, number(value))]).flat(),
    limit === undefined || limit === null ? null
      : s("line", { class: "limit", x1: left, x2: width - right, y1: y(limit), y2: y(limit) }),
    s("path", { class: `line ${colour}`, d: path }), dots,
    s("text", { x: left, y: height - 4 }, clock(first, precise)),
    final > first ? s("text", { x: width - right, y: height - 4, "text-anchor": "end" }, clock(final, precise)) : null);
}

const charts = (lines, limit) => h("div", { class: "charts" }, lines.map((line, index) => chart(line, index, limit)));

// -- pages ------------------------------------------------------------------------------------------------------------

const jobPath = (job) => (job.kind === "training" ? `jobs/${part(job.name)}` : `jobs/${part(job.kind, job.id || job.name)}`);

const jobTable = (jobs) => table(jobs, [
  ["Job", (job) => link(jobPath(job), job.name)],
  ["Kind", (job) => job.kind, "nowrap"],
  ["State", (job) => state(job.status)],
  ["Began", (job) => when(job.created), "nowrap"],
  ["Ended", (job) => when(job.ended), "nowrap"],
], empty("No job yet. ", code("ratchet push DATASET DIR"), " starts a pipeline, and ", code("CreateTrainingJob"),
  " starts a job by itself."));

const serviceTable = (services) => table(services, [
  ["Service", (each) => link(`services/${part(each.cluster, each.name)}`, each.name)],
  ["Cluster", (each) => each.cluster],
  ["Deployment", (each) => state(each.rollout)],
  ["Runs", (each) => each.definition],
  ["Tasks", (each) => `${each.running} of ${each.desired}`, "number"],
], empty("No service yet. ", code("ratchet up"), " makes the stack with one, ", code("aws ecs create-service"),
  " makes one by itself."));

const alarmTable = (alarms, whenEmpty) => table(alarms, [
  ["Alarm", (alarm) => link(`alarms/${part(alarm.name)}`, alarm.name)],
  ["State", (alarm) => state(alarm.state)],
  ["Since", (alarm) => when(alarm.since), "nowrap"],
  ["Rings when", (alarm) => alarm.condition],
], whenEmpty);

const VIEWS = {
  overview: (data) => [
    heading("Overview"),
    h("div", { class: "tiles" }, PAGES.filter(([path]) => path in data.counts).map(([path, title]) => h("a",
      { class: "tile", href: `${ROOT}${location.search}#/${path}` }, h("b", {}, data.counts[path]),
      h("span", {}, path === "jobs" && data.running ? `${title}, ${data.running} running`
        : path === "alarms" && data.ringing.length ? `${title}, ${data.ringing.length} ringing` : title)))),
    data.ringing.length ? section("Ringing alarms", alarmTable(data.ringing)) : null,
    section("Services", serviceTable(data.services)),
    section("Newest jobs", jobTable(data.jobs)),
  ],

  jobs: (data) => [heading("Jobs"), jobTable(data.jobs)],

  job: (data) => [
    heading(data.name, link("jobs", "Jobs")),
    h("p", { class: "bar" }, state(data.status), h("span", {}, data.kind),
      data.secondary && data.secondary !== data.status ? h("span", {}, data.secondary) : null),
    data.reason ? h("p", { class: "reason" }, data.reason) : null,
    data.steps.length ? h("ol", { class: "steps", "aria-label": "Steps" }, data.steps.map((step) => h("li", {},
      step.Status, " ", h("time", { datetime: step.StartTime }, clock(Date.parse(step.StartTime), true))))) : null,
    data.metrics.length ? section("Metrics", charts(data.metrics)) : null,
    data.kind === "tuning" ? section("Trials", table(data.trials, [
      ["Trial", (trial) => [link(`jobs/${part(trial.name)}`, trial.name), trial.best ? " best" : ""]],
      ["State", (trial) => state(trial.status)],
      ["Objective", (trial) => (trial.objective === null ? "–" : number(trial.objective)), "number"],
      ["Values", (trial) => Object.entries(trial.values).map(([name, value]) => `${name} ${value}`).join(", ")],
      ["Began", (trial) => when(trial.created), "nowrap"],
    ], empty("No trial has begun yet."))) : section("Log", log(data.lines, "Nothing has been printed yet.")),
    raw(data.about),
  ],

  services: (data) => [heading("Services"), serviceTable(data.services)],

  service: (data) => [
    heading(data.name, link("services", "Services")),
    h("p", { class: "bar" }, state(data.rollout), h("span", {}, `${data.running} of ${data.desired} tasks`),
      h("span", {}, `cluster ${data.cluster}`), data.alarms.map((name) => link(`alarms/${part(name)}`, `alarm ${name}`))),
    data.rollout === "FAILED" ? h("p", { class: "reason" }, data.reason) : null,
    section("Deployments", table(data.deployments, [
      ["Runs", (each) => each.definition], ["Role", (each) => state(each.status)],
      ["State", (each) => state(each.rollout)], ["Tasks", (each) => `${each.running} of ${each.desired}`, "number"],
      ["Failed", (each) => each.failed, "number"], ["Began", (each) => when(each.created), "nowrap"],
      ["Why", (each) => each.reason],
    ], empty("There is no deployment any more."))),
    data.weights.length ? section("Traffic", table(data.weights, [
      ["Target group", (each) => each.group], ["Listener", (each) => `port ${each.port}`, "nowrap"],
      ["Rule", (each) => each.rule, "nowrap"], ["Share", (each) => share(each.percent)],
    ])) : null,
    section("Tasks", table(data.tasks, [
      ["Task", (each) => each.id.slice(0, 12), "nowrap"], ["State", (each) => state(each.status)],
      ["Runs", (each) => each.definition], ["Ports", (each) => each.ports.join(", ") || "–", "nowrap"],
      ["Began", (each) => when(each.created), "nowrap"], ["Why it ended", (each) => each.reason || "–"],
    ], empty("No task. ", code("aws ecs update-service --desired-count 1"), " starts one."))),
    data.targets.length ? section("Targets", table(data.targets, [
      ["Target", (each) => each.address, "nowrap"], ["Group", (each) => each.group],
      ["State", (each) => state(each.state)], ["Why", (each) => each.reason || "–"],
    ])) : null,
    section("Metrics of the last hour", charts(data.metrics)),
    section("Events", log(data.events.map((each) => `${clock(Date.parse(each.at), true)}  ${each.message}`), "No event yet.")),
  ],

  functions: (data) => [heading("Functions"), table(data.functions, [
    ["Function", (each) => link(`functions/${part(each.name)}`, each.name)], ["State", (each) => state(each.state)],
    ["Runs", (each) => each.runtime || each.package], ["Memory", (each) => `${each.memory} MB`, "number"],
    ["Timeout", (each) => `${each.timeout} s`, "number"], ["Changed", (each) => when(each.modified), "nowrap"],
  ], empty("No function yet. ", code("aws lambda create-function"), " makes one, from a zip file or a known image."))],

  function: (data) => [
    heading(data.name, link("functions", "Functions")),
    h("p", { class: "bar" }, state(data.state), h("span", {}, data.runtime || data.package),
      h("span", {}, `${data.memory} MB`), data.urls.map((each) => h("a", { href: each.url }, each.url))),
    section("Aliases", table(data.aliases, [
      ["Alias", (each) => each.name, "nowrap"], ["Version", (each) => each.weights.map((one) => h("div", {}, one.version))],
      ["Share", (each) => each.weights.map((one) => share(one.percent))],
    ], empty("No alias. ", code("aws lambda create-alias"), " gives a version a name, and shares traffic between two."))),
    section("Versions", table(data.versions, [
      ["Version", (each) => each.version, "nowrap"], ["State", (each) => state(each.state)],
      ["Description", (each) => each.description || "–"], ["Made", (each) => when(each.modified), "nowrap"],
    ], empty("No version."))),
    section("Metrics of the last hour", charts(data.metrics)),
    section("Log", log(data.lines, "Nothing has been printed yet: the function has not run.")),
  ],

  queues: (data) => [heading("Queues"), table(data.queues, [
    ["Queue", (each) => each.name], ["Waiting", (each) => each.visible, "number"],
    ["In flight", (each) => each.in_flight, "number"], ["Delayed", (each) => each.delayed, "number"],
    ["Dead letters go to", (each) => each.dead_letters || "–"],
  ], empty("No queue yet. ", code("aws sqs create-queue"), " makes one."))],

  tables: (data) => [heading("Tables"), table(data.tables, [
    ["Table", (each) => link(`tables/${part(each.name)}`, each.name)], ["State", (each) => state(each.status)],
    ["Keys", (each) => each.keys.join(", ")], ["Items", (each) => each.count, "number"],
  ], empty("No table yet. ", code("aws dynamodb create-table"), " makes one."))],

  table: (data, route) => [
    heading(data.name, link("tables", "Tables")),
    h("p", { class: "bar" }, h("span", {}, `${data.count} items`), h("span", {}, `keys ${data.keys.join(", ")}`),
      route.query.get("start") ? link(`tables/${part(data.name)}`, "First page") : null,
      data.next ? link(`tables/${part(data.name)}?start=${encodeURIComponent(data.next)}`, "Next page") : null),
    table(data.items, [...data.keys.map((key) => [key, (item) => String(item[key])]),
      ["Other attributes", (item) => JSON.stringify(Object.fromEntries(Object.entries(item).filter(
        ([name]) => !data.keys.includes(name)))).slice(0, 600)]], empty("No item on this page.")),
  ],

  buckets: (data) => [heading("Buckets"), table(data.buckets, [
    ["Bucket", (each) => link(`buckets/${part(each.name)}`, each.name)],
    ["Versions", (each) => state(each.versioning)], ["Made", (each) => when(each.created), "nowrap"],
  ], empty("No bucket yet. ", code("aws s3 mb s3://NAME"), " makes one."))],

  bucket: (data) => {
    const page = (query) => `buckets/${part(data.name)}?${new URLSearchParams(query)}`;
    const versions = data.versions ? { versions: "1" } : {};
    const steps = data.prefix.split("/").slice(0, -1);
    const crumbs = steps.map((step, index) => [" / ", link(
      page({ prefix: `${steps.slice(0, index + 1).join("/")}/`, ...versions }), step)]).flat();
    const object = (entry) => h("a", { href: `${ROOT}/s3/object/${data.name}?${new URLSearchParams({
      prefix: entry.key, ...(entry.version && entry.version !== "null" ? { versionId: entry.version } : {}) })}` },
    entry.key.slice(data.prefix.length) || entry.key);
    const folders = data.folders.map((folder) => ({ folder, key: folder }));
    return [
      heading(data.name, link("buckets", "Buckets")),
      h("p", { class: "bar" }, h("span", {}, link(page(versions), data.name), crumbs),
        data.versions ? link(page({ prefix: data.prefix }), "Latest only")
          : link(page({ prefix: data.prefix, versions: "1" }), "Show versions"),
        data.next ? link(page({ prefix: data.prefix, start: data.next }), "Next page") : null),
      table([...folders, ...data.objects], [
        ["Name", (each) => (each.folder ? link(page({ prefix: each.folder, ...versions }),
          each.folder.slice(data.prefix.length)) : each.removed ? `${each.key.slice(data.prefix.length)} (removed)` : object(each))],
        ...(data.versions ? [["Version", (each) => each.version ? `${each.version}${each.latest ? " (latest)" : ""}` : "–"]] : []),
        ["Size", (each) => (each.folder ? "folder" : size(each.size)), "number"],
        ["Changed", (each) => when(each.modified), "nowrap"],
      ], empty("Nothing here. ", code(`aws s3 cp FILE s3://${data.name}/${data.prefix}`), " puts something.")),
    ];
  },

  alarms: (data) => [heading("Alarms"), alarmTable(data.alarms,
    empty("No alarm yet. ", code("aws cloudwatch put-metric-alarm"), " makes one."))],

  faults: (data) => [heading("Faults"), table(data.faults, [
    ["Fault", (each) => each.id, "nowrap"], ["Effect", (each) => each.effect, "nowrap"],
    ["Service", (each) => each.service || "every"], ["Operation", (each) => each.operation || "every"],
    ["Of each call", (each) => (each.probability === undefined ? "always" : `${number(100 * each.probability)} %`), "number"],
    ["Has struck", (each) => (each.count ? `${each.hits} of ${each.count}` : each.hits), "number"],
    ["Struck", (each) => Object.entries(each.hit).map(([call, times]) => `${call} ${times}`).join(", ") || "–"],
  ], empty("No fault is in force. A signed ", code("POST /_localcloud/faults"), " lets one strike."))],

  calls: (data) => [heading("Calls"), table(data.calls.sort((a, b) => b.count - a.count).slice(0, 500), [
    ["Who", (each) => each.principal], ["Called", (each) => each.operation, "nowrap"],
    ["Needs", (each) => each.action, "nowrap"], ["On", (each) => each.resource],
    ["A policy grants it", (each) => (each.granted ? "yes" : "no"), "nowrap"], ["Times", (each) => each.count, "number"],
  ], empty("No call yet since localcloud started. Any signed call to an AWS service is counted here."))],

  alarm: (data) => [
    heading(data.name, link("alarms", "Alarms")),
    h("p", { class: "bar" }, state(data.state), h("span", {}, "since ", when(data.since)), h("span", {}, data.condition)),
    data.description ? h("p", { class: "lead" }, data.description) : null,
    h("p", { class: data.state === "ALARM" ? "reason" : "lead" }, data.reason),
    data.metrics.length ? section("Metric of the last three hours", charts(data.metrics, data.threshold)) : null,
    section("History", table(data.history, [
      ["When", (each) => when(each.at), "nowrap"], ["What", (each) => each.kind, "nowrap"], ["", (each) => each.summary],
    ], empty("Nothing has happened yet."))),
  ],
};
const ONE = { jobs: "job", services: "service", functions: "function", tables: "table", buckets: "bucket", alarms: "alarm" };

// -- routes -----------------------------------------------------------------------------------------------------------

// AWS's own console calls its pages so; links that lead there lead to ours.
const AWS_PAGES = [
  [/^\/ecs\/v2\/clusters\/([^/]+)\/services\/([^/]+)/, "path", (found) => ["services", found[1], found[2]]],
  [/^\/s3\/buckets\/([^/]+)/, "path", (found) => ["buckets", found[1]]],
  [/^#alarmsV2:alarm\/([^?]+)/, "hash", (found) => ["alarms", found[1]]],
  [/^#table\?name=([^&]+)/, "hash", (found) => ["tables", found[1]]],
  [/^#\/(processing|transform|hyper-tuning)-jobs\/([^/?]+)/, "hash",
    (found) => ["jobs", found[1] === "hyper-tuning" ? "tuning" : found[1], found[2]]],
];

function readRoute() {
  const places = { path: location.pathname.slice(ROOT.length), hash: location.hash };
  const [hash, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  for (const [pattern, place, parts] of AWS_PAGES) {
    const found = pattern.exec(places[place]);
    if (found) return { parts: parts(found).map(decodeURIComponent), query: new URLSearchParams() };
  }
  const parts = hash === "main" ? null : hash.split("/").filter(Boolean).map(decodeURIComponent);
  return { parts: parts || route.parts, query: new URLSearchParams(query) };
}

let route = { parts: [], query: new URLSearchParams() };
let timer = 0;
const seenLogs = new WeakSet();
let asking = null;

function drawNavigation() {
  const here = route.parts[0] || "";
  morphChildren(document.getElementById("nav"), PAGES.map(([path, title]) => h("a", {
    href: `${ROOT}${location.search}#/${path}`, "aria-current": here === path ? "page" : null }, title)));
  document.title = [...route.parts.slice(1).reverse(), PAGES.find(([path]) => path === here)?.[1], "localcloud"]
    .filter(Boolean).join(" – ");
}

function say(text, away) {
  const status = document.getElementById("status");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("away", Boolean(away));
}

async function read(signal) {
  const query = new URLSearchParams(route.query);
  const region = new URLSearchParams(location.search).get("region");
  if (region) query.set("region", region);
  const path = route.parts.length ? part(...route.parts) : "overview";
  const answer = await fetch(`${ROOT}/api/${path}?${query}`, { signal });
  const data = await answer.json();
  if (answer.ok) return VIEWS[!route.parts.length ? "overview" : route.parts.length === 1 ? route.parts[0]
    : ONE[route.parts[0]]](data, route);
  return [heading("Not here"), empty(data.error || "localcloud has no such page.")];
}

// A log is read from its end; who has scrolled up is left there.
function showEnds() {
  for (const pane of document.querySelectorAll(".log")) {
    if (!seenLogs.has(pane)) pane.scrollTop = pane.scrollHeight;
    seenLogs.add(pane);
  }
}

async function refresh() {
  clearTimeout(timer);
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const content = await read(signal);
    if (signal.aborted) return;
    morphChildren(document.getElementById("main"), content.flat(9).filter((node) => node instanceof Node));
    showEnds();
    say("live");
  } catch (error) {
    if (error.name === "AbortError") return;
    say(error instanceof TypeError ? "localcloud does not answer" : String(error), true);
  }
  timer = setTimeout(() => (document.hidden ? undefined : refresh()), REFRESH_MS);
}

function follow() {
  if (location.hash === "#main") return;
  route = readRoute();
  drawNavigation();
  window.scrollTo(0, 0);
  document.getElementById("main").focus({ preventScroll: true });
  refresh();
}

addEventListener("hashchange", follow);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
follow();
