/** Talking to the server: changes are sent in order and again until it has saved them; events come back. */

import { announce, applyChange, store } from "./store.js";

const RETRY = 700; // ms between two tries to reach the server

/** Changes that are not known to be saved: {id, path, body, frame, resolve}. */
export const pending = [];
export const link = { connected: false, refused: "" };

let sending = false;

/** Queue a change; resolves to true when it is on the server's disk, to false when it was refused. */
export function send(path, body = {}) {
  const id = crypto.getRandomValues(new Uint32Array(3)).join("-");
  return new Promise((resolve) => {
    pending.push({ id, path, body: { ...body, id }, frame: body.frame ?? null, resolve });
    announce("pending");
    flush();
  });
}

export const edit = (body) => send("/api/edit", body);

async function flush() {
  if (sending) return;
  sending = true;
  while (pending.length) {
    const first = pending[0];
    let answer;
    try {
      answer = await post(first.path, first.body);
    } catch (error) {
      if (!(error instanceof Refused)) {
        setConnected(false);
        await new Promise((resolve) => setTimeout(resolve, RETRY));
        continue;
      }
      pending.shift();
      first.resolve(false);
      announce("pending");
      announce("problem", error.message);
      continue;
    }
    pending.shift();
    if (!applyChange(answer)) await load();
    first.resolve(true);
    announce("pending");
  }
  sending = false;
}

export class Refused extends Error {}

/** Send a request that is not queued; throws Refused with the server's reason. */
export async function post(path, body = {}) {
  const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  return answerOf(response);
}

export async function answerOf(response) {
  if (response.ok) return response.json();
  const text = await response.text();
  let reason = text;
  try { reason = JSON.parse(text).error ?? text; } catch { /* plain text */ }
  throw new Refused(reason || `The server answered ${response.status}.`);
}

/** Load the whole state. */
export async function load() {
  const response = await fetch("/api/state");
  if (response.status === 403) {
    link.refused = await response.text();
    announce("connection");
    return;
  }
  const state = await answerOf(response);
  Object.assign(store, { video: state.video, workspace: state.workspace, model: state.model, job: state.job });
  applyChange(state, true);
  announce("loaded");
  announce("job");
  announce("model");
}

/** Listen for events, for ever; after a break everything is loaded again. */
export function listen() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/api/events`);
  socket.addEventListener("message", async (event) => {
    const message = JSON.parse(event.data);
    if (message.hello) {
      await load();
      setConnected(true);
    } else if (message.reload) await load();
    else if (message.job) {
      store.job = message.job;
      announce("job", message.job);
    } else if (message.model) {
      store.model = message.model;
      announce("model");
    } else if (message.thumbnail !== undefined) announce("thumbnail", message.thumbnail);
    else if (message.revision !== undefined && !applyChange(message)) await load();
  });
  socket.addEventListener("close", () => {
    setConnected(false);
    if (!link.refused) setTimeout(listen, RETRY);
  });
}

function setConnected(connected) {
  if (link.connected === connected) return;
  link.connected = connected;
  announce("connection");
}

addEventListener("beforeunload", (event) => {
  if (pending.length) event.preventDefault();
});
