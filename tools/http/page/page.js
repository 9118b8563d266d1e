/* ---- The page ------------------------------------------------------------------------------------- */

function verdictOf() {
  if (stream.state === 'wait') return ['wait', 'Connecting', ''];
  if (stream.state === 'token') return ['wait', 'A token is needed', ''];
  if (stream.state === 'lost') {
    const ms = Math.max(0, stream.retryAt - performance.now());
    const why = stream.isCrowded ? 'The node serves no more pages at a time: close one. '
      : state.all ? 'What is shown is as it was then. ' : '';
    return ['red', `Not connected since ${clock(stream.since)}`,
      why + (stream.retryAt && ms > 0 ? `Trying again in ${Math.ceil(ms / 1000)}${THIN}s.` : 'Trying now.')];
  }
  const alarms = allAlarms();
  if (alarms.length === 0) return ['good', 'All is well', wellText()];
  const titles = alarms.slice(0, 3).map((each) => each.title).join('; ');
  return [alarms[0].level, many(alarms.length, 'alarm'), titles + (alarms.length > 3 ? '; \u2026' : '')];
}

function wellText() {
  const {counts} = state.all.node;
  const nodes = state.cluster ? many(present().size, 'node') + ', ' : '';
  return `${nodes}${many(counts.links, 'link')}, ${bytes(counts.queued_bytes + counts.link_bytes)} waiting; ` +
    'nothing lost or dropped in ten minutes';
}

function showVerdict() {
  const [level, title, text] = verdictOf();
  setAttribute(find('verdict'), 'data-level', level);
  setText(find('verdict-title'), title);
  setText(find('verdict-text'), text);
  find('again').hidden = stream.state !== 'lost';
  const live = {wait: 'connecting', token: 'no token', lost: 'not connected', live: 'live'}[stream.state];
  setText(find('live'), live);
  setAttribute(find('live'), 'data-state', stream.state);
  const node = state.all ? state.all.node.node : 'portolan';
  document.title = `${node}: ${stream.state === 'live' ? (level === 'good' ? 'all is well' : text || title) : title}`;
}

function showHead() {
  const {node} = state.all;
  setAttribute(document.body, 'data-at', node.time); /* what is shown is of then */
  setText(find('who'), node.node);
  setText(find('what'), `${node.global ? 'global' : 'ordinary'} \u00b7 ${many(node.shard_count, 'shard')} \u00b7 ` +
    `${node.version} \u00b7 up ${duration(node.up_seconds)}`);
}

/* Called at each event; a page that nobody sees draws little. */
function render() {
  if (!state.all) return;
  showVerdict(); /* and the title, which is seen of a tab behind others */
  if (document.hidden) return;
  showHead();
  showAlarms(stream.state === 'live' ? allAlarms() : []);
  showPicture();
  showTiles();
  showPlots();
  showTables();
  showCounts();
}

function start() {
  showVerdict();
  listenToToken();
  listenToDatabase();
  find('links-find').addEventListener('input', showTables);
  find('again').addEventListener('click', open);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    if (stream.state === 'lost') open();
    render();
  });
  window.addEventListener('online', () => stream.state === 'lost' && open());
  window.addEventListener('resize', render);
  setInterval(lookAtStream, 500);
  open();
}

start();
