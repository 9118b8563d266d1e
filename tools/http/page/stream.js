/* ---- The stream -----------------------------------------------------------------------------------
 *   open --200--> live --ends, or silent for 5 s--> wait, ever longer --> open ...
 *     '--401--> ask for the token
 *
 * It is read by fetch(), not by an EventSource, which could not show a token.
 */

const SILENCE_MS = 5000;
const WAIT_MS = [500, 1000, 2000, 4000, 8000];
const CLUSTER_MS = 1000;
const LARGE = 65536; /* a larger answer of /api/cluster is asked for five times as rarely */

const stream = {state: 'wait', since: 0, fails: 0, retryAt: 0, isCrowded: false, timer: 0, abort: null, heardAt: 0,
  cluster: {busy: false, at: 0, every: CLUSTER_MS, again: false}, log: {busy: false}};

/* A header has bytes, not characters. */
function headers() {
  const token = sessionStorage.getItem('token');
  const bytesOf = (text) => Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('');
  return token ? {Authorization: 'Bearer ' + bytesOf(token)} : {};
}

class Refused extends Error {}
class Crowded extends Error {}

async function get(path, signal) {
  const answer = await fetch('.' + path, {headers: headers(), cache: 'no-store', signal});
  if (answer.status === 401) throw new Refused();
  if (answer.status === 503) throw new Crowded();
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

async function ask(path) {
  return (await get(path)).json();
}

/* ---- What events lack ----------------------------------------------------------------------- */

async function askCluster() {
  const {cluster} = stream;
  if (cluster.busy) {
    cluster.again = true;
    return;
  }
  cluster.busy = true;
  cluster.again = false;
  try {
    const text = await (await get('/api/cluster')).text();
    const found = JSON.parse(text);
    cluster.every = text.length > LARGE ? 5 * CLUSTER_MS : CLUSTER_MS;
    if (found.complete || !state.cluster) state.cluster = found;
    state.cluster.isOld = !found.complete;
    if (state.all) {
      followNodes();
      render();
    }
  } catch (error) {
    /* the stream tells of what is wrong */
  }
  cluster.at = performance.now();
  cluster.busy = false;
  if (cluster.again && stream.state === 'live') askCluster();
}

async function askLog() {
  if (stream.log.busy) return;
  stream.log.busy = true;
  try {
    state.log = await ask('/api/log');
    showLog();
  } catch (error) {
    /* as above */
  }
  stream.log.busy = false;
}

function linkedIds(event) {
  return JSON.stringify(event ? event.links.links.filter((link) => link.up).map((link) => link.node).sort() : []);
}

function askForMore(event, before) {
  const {cluster} = stream;
  const changed = linkedIds(event) !== linkedIds(before);
  if (changed || performance.now() - cluster.at >= cluster.every - 200) askCluster();
  if (!state.log || state.log.count !== event.node.log) askLog();
  followEntries();
}

/* ---- Events --------------------------------------------------------------------------------- */

function hear(event) {
  const before = state.all;
  stream.heardAt = performance.now();
  stream.fails = 0;
  take(event);
  setStream('live');
  askForMore(event, before);
}

/* The text of one event: its data; comments and other fields do not matter. */
function parse(text) {
  const data = text.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim());
  if (data.length) hear(JSON.parse(data.join('\n')));
}

async function read(answer) {
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    text += decoder.decode(value, {stream: true});
    let end;
    while ((end = text.indexOf('\n\n')) >= 0) {
      parse(text.slice(0, end));
      text = text.slice(end + 2);
    }
    /* Once for all that has come, of which only the newest is still so; then keys and clicks have their turn. */
    render();
    await new Promise((go) => setTimeout(go));
  }
}

async function open() {
  clearTimeout(stream.timer);
  if (stream.abort) stream.abort.abort();
  const abort = new AbortController();
  stream.abort = abort;
  stream.retryAt = 0;
  stream.heardAt = performance.now();
  try {
    const answer = await get('/api/events', abort.signal);
    takeHistory(await ask('/api/history'));
    state.log = null;
    await read(answer);
  } catch (error) {
    if (error instanceof Refused) {
      showAsk();
      return;
    }
    stream.isCrowded = error instanceof Crowded;
  }
  if (stream.abort === abort) wait();
}

function wait() {
  const most = WAIT_MS[Math.min(stream.fails++, WAIT_MS.length - 1)];
  const ms = most * (0.75 + Math.random() / 2);
  setStream('lost');
  stream.retryAt = performance.now() + ms;
  stream.timer = setTimeout(open, ms);
}

function setStream(name) {
  if (stream.state === name) return;
  stream.state = name;
  stream.since = Date.now() / 1000;
  document.body.classList.toggle('stale', name === 'lost');
  if (name === 'live') {
    document.body.classList.remove('empty');
    find('ask').hidden = true;
  }
  showVerdict();
}

/* A connection whose other end is gone without a word looks like a silent one. */
function lookAtStream() {
  const waits = stream.retryAt > 0 || stream.state === 'token';
  if (!waits && performance.now() - stream.heardAt > SILENCE_MS) stream.abort.abort();
  if (stream.state === 'lost') showVerdict();
}

/* ---- The token ------------------------------------------------------------------------------ */

function showAsk() {
  const had = sessionStorage.getItem('token');
  sessionStorage.removeItem('token');
  setText(find('ask-wrong'), had ? 'The node does not take this token.' : '');
  document.body.classList.add('empty');
  find('ask').hidden = false;
  find('token').value = '';
  find('token').focus();
  setStream('token');
}

function listenToToken() {
  find('ask').addEventListener('submit', (event) => {
    event.preventDefault();
    sessionStorage.setItem('token', find('token').value.trim());
    setText(find('ask-wrong'), '');
    open();
  });
}
