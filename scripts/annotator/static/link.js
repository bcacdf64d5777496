/** Talking to the server: changes are sent in order and again until it has saved them; events come back. */

import { announce, applyChange, store } from "./store.js";

const RETRY = 700; // ms between two tries to reach the server
const NO_SERVER = "No server";
const FINAL = [413, 422]; // answers by which the server will never take a change

/** Changes that are not known to be saved: {body, sent, resolve}. */
export const pending = [];

/** listening: events come in. trouble: why the last request failed. refused: why the last change was rejected. */
export const link = { listening: false, trouble: "", refused: "" };

let wanted = 0, loaded = 0; // number of the last reload that was asked for, and of the last one that is done
let working = false;
let workspace = null; // identity of the workspace on the page; the address may later serve another one

/** Queue an edit; resolves to the server's answer once it is on its disk, or to null when it was refused. */
export function edit(body) {
  const id = crypto.getRandomValues(new Uint32Array(3)).join("-");
  return new Promise((resolve) => {
    link.refused = "";
    pending.push({ body: { ...body, id }, sent: false, resolve });
    announce("pending");
    work();
  });
}

/** Load the whole state, as soon as it can be had. */
export function reload() {
  wanted += 1;
  announce("connection");
  work();
}

/** Load the state and send pending changes until both are done; the only place that retries. */
async function work() {
  if (working) return;
  working = true;
  while (loaded < wanted || pending.length) {
    let trouble = "";
    try {
      await (loaded < wanted ? load() : deliver(pending[0]));
    } catch (error) {
      trouble = error.status ? error.message : NO_SERVER;
    }
    if (trouble !== link.trouble) {
      link.trouble = trouble;
      announce("connection");
    }
    if (trouble) await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
  working = false;
  announce("connection");
}

async function load() {
  const mine = wanted, { job, model } = store;
  const response = await fetch("/api/state", { headers: headers() });
  const state = await answerOf(response);
  workspace = response.headers.get("x-workspace");
  if (state.revision < store.revision) return; // a change has come in since
  loaded = mine;
  Object.assign(store, { video: state.video, workspace: state.workspace, exports: state.exports, limits: state.limits });
  if (store.job === job) store.job = state.job;
  if (store.model === model) store.model = state.model;
  applyChange(state, true);
  announce("loaded");
  announce("job");
  announce("model");
}

async function deliver(change) {
  const again = change.sent;
  change.sent = true;
  let answer = null;
  try {
    answer = await post("/api/edit", change.body);
  } catch (error) {
    if (!FINAL.includes(error.status)) throw error;
    link.refused = error.message;
    announce("problem", error.message);
  }
  pending.shift();
  if (answer && again) reload(); // the server may have answered before what the change did
  else if (answer) take(answer);
  change.resolve(answer);
  announce("pending");
}

/** Take over a change that the server tells of. */
export function take(change) {
  if (!applyChange(change)) reload();
}

const headers = () => (workspace ? { "X-Workspace": workspace } : {});

/** Send a request that is not queued, with a JSON object or a form; resolves to the response. */
export function request(path, body) {
  const type = body instanceof FormData ? {} : { "Content-Type": "application/json" };
  const content = body instanceof FormData ? body : JSON.stringify(body);
  return fetch(path, { method: "POST", headers: { ...type, ...headers() }, body: content });
}

/** Send a request that is not queued; throws an error with the server's reason and its status. */
export async function post(path, body = {}) {
  return answerOf(await request(path, body));
}

async function answerOf(response) {
  if (response.ok) return response.json();
  const text = await response.text();
  let reason = text;
  try { reason = JSON.parse(text).error ?? text; } catch { /* plain text */ }
  throw Object.assign(new Error(reason.trim() || `The server answered ${response.status}.`), { status: response.status });
}

/** Listen for events, for ever; after a break everything is loaded again. */
export function listen() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/api/events`);
  socket.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (message.hello) {
      store.revision = -1; // accept whatever this server has
      link.listening = true;
      reload();
    } else if (message.reload) reload();
    else if (message.job) {
      store.job = message.job;
      announce("job", message.job);
    } else if (message.model) {
      store.model = message.model;
      announce("model");
    } else if (message.thumbnail !== undefined) announce("thumbnail", message.thumbnail);
    else if (message.revision !== undefined) take(message);
  });
  socket.addEventListener("close", () => {
    link.listening = false;
    reload();
    setTimeout(listen, RETRY);
  });
}

/** Text of the status line; "Saved" means that nothing is pending and that the page shows the server's state. */
export function linkState() {
  const count = pending.length;
  const waiting = count === 1 ? "1 change is" : `${count} changes are`;
  const unsaved = (reason) => (reason.startsWith("Not saved") ? reason : `Not saved: ${reason}`);
  if (link.trouble && link.trouble !== NO_SERVER) return count ? unsaved(link.trouble) : link.trouble;
  if (link.trouble || !link.listening) return count ? `${NO_SERVER}; ${waiting} not saved yet` : `${NO_SERVER}; trying again`;
  if (count) return "Saving";
  if (link.refused) return unsaved(link.refused);
  return loaded < wanted ? "Loading" : "Saved";
}
