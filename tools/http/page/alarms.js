/* ---- Alarms -----------------------------------------------------------------------------------
 * Each says what is wrong, what that means, and what to do.  All of them are from /api.
 */

const CLOCK_OFF = 5; /* seconds */
const STUCK = 3; /* seconds without a turn */

function alarm(level, id, title, meaning, advice, more) {
  return {level, id, title, meaning, advice, ...more};
}

function lostNodes() {
  const found = [];
  for (const [id, gone] of state.gone) {
    if (gone.stopped) continue;
    const why = gone.told
      ? `The link failed: ${gone.why || 'no reason was told'}.`
      : 'It has left the database; a node that it was linked to knows why.';
    found.push(alarm('red', 'lost ' + id, `${id} is lost`,
      `${why} Its ports are gone, and what it had entered in the database.`,
      'See whether its machine and its process run, and whether the network reaches it.',
      {node: id, since: gone.since}));
  }
  return found;
}

function fullQueues() {
  const found = [];
  for (const link of state.all.links.links.filter((each) => each.full)) {
    found.push(alarm('red', 'full link ' + link.node, `The queue for ${link.node} is full`,
      `${bytes(link.queued_bytes)} wait for that link; who sends there is refused until some have gone.`,
      'See whether that node is busy or stopped, and whether the network between is slow.'));
  }
  for (const port of state.all.ports.ports.filter((each) => each.full)) {
    found.push(alarm('red', 'full port ' + port.port, `The port ${port.port} is full`,
      `${bytes(port.queued_bytes)} wait there; who sends to it is refused until it has taken some.`,
      'Its handler is slower than what comes: see the slowest ports, or share the work.'));
  }
  const full = state.all.node.counts.full;
  if (full > 0 && found.length === 0) {
    found.push(alarm('red', 'full', `${many(full, 'port or link', 'ports or links')} without room`,
      'Who sends there is refused; none of those shown below is meant.',
      'It is a port that is not among the busiest: see which programs of this node are slow.'));
  }
  return found;
}

function lateLoops() {
  const node = state.all.node;
  const found = [];
  state.turns.forEach((shard, i) => {
    const stuck = node.time - shard.time;
    if (stuck >= STUCK) {
      found.push(alarm('red', 'stuck ' + i, `Shard ${i} has not turned for ${duration(stuck)}`,
        'A callback keeps it, or it gets no processor: its ports and links wait.',
        'The warning that comes when it goes on names the callback; see the load of the machine.'));
    }
  });
  if (found.length === 0 && !state.all.links.complete && state.all.links.all === 0) {
    found.push(alarm('red', 'survey', 'The shards do not answer',
      'They were asked what they have and said nothing for two seconds: tables are empty for now.',
      'A callback keeps one of them, or the machine has no processor to spare.'));
  }
  return found;
}

/* What has grown in the last ten minutes: a number, and what to say of it. */
const GROWN = [
  ['red', 'lost', (n) => `${many(n, 'message')} for other nodes lost`,
    'A link failed before they were sent; monitors have told those who watched.',
    'See which node was lost. Senders that must know monitor the port they send to.'],
  ['amber', 'dropped', (n) => `${many(n, 'message')} dropped`,
    'They came for ports that were not there, or that did not handle them.',
    'Who sends to a port that is gone, or with a tag that nobody knows? Warnings may name it.'],
  ['amber', 'refused', (n) => `${many(n, 'send')} refused`,
    'There was no room on the way to a port: the sender was told to keep the message.',
    'See which link or port has a queue, and why it is slower than what comes.'],
  ['amber', 'slow', (n) => `${many(n, 'callback')} ran for more than 100 ms`,
    'While one runs its shard does nothing else: all its ports and links wait.',
    'The warnings name the port. Long work belongs in a thread.'],
  ['amber', 'secret', (n) => `${many(n, 'connection')} refused: another secret`,
    'Whoever connected, or was dialled, has not the secret that this node has.',
    'Compare the secrets of both; portolan doctor tries the seeds.'],
  ['amber', 'certificate', (n) => `${many(n, 'connection')} refused: a certificate`,
    'One of the two did not believe the certificate of the other.',
    'See dates, names and authorities of both; the log says once a minute which.'],
  ['amber', 'tls', (n) => `${many(n, 'connection')} refused: TLS`,
    'The two have no TLS in common, or one of them wants it and the other has none.',
    'Compare --tls and the certificates of both.'],
  ['amber', 'crowded', (n) => `${many(n, 'connection')} had to go: too many strangers`,
    'More connect than prove themselves in time: a flood, or a health check that only connects.',
    'See where they come from, in the log at level debug.'],
];

function grownNumbers() {
  return GROWN.flatMap(([level, name, title, meaning, advice]) => {
    const count = grown(name);
    return count > 0 ? [alarm(level, name, title(count), meaning + ' In the last ten minutes.', advice,
      {count})] : [];
  });
}

/* The number alone does not say it: it counts seeds that lead back to the node itself as well. */
const TWINS = /two nodes use the ID|another node uses this node's ID|another node of the same ID/;

function twins() {
  const since = state.all.node.time - WINDOW;
  const lines = (state.log ? state.log.lines : []).filter((line) => line.time >= since && TWINS.test(line.line));
  return lines.length === 0 || grown('identity') === 0 ? [] : [alarm('red', 'identity', 'Two nodes use one ID',
    lines[lines.length - 1].line + '.', 'Give every node an ID of its own, with --node.',
    {since: lines[lines.length - 1].time})];
}

function stateOfNode() {
  const node = state.all.node;
  const found = [];
  if (node.draining) {
    found.push(alarm('amber', 'draining', `${node.node} drains`,
      'It was asked to end: it takes no new work, and delivers what it has accepted.',
      'Nothing, if that was you. It ends by itself.'));
  } else if (!node.ready) {
    found.push(alarm('red', 'alone', `${node.node} has not joined`,
      `None of its ${many(node.counts.seeds, 'seed')} is linked: it is alone, and knows no ports of others.`,
      'See whether the seeds run and can be reached; the log says why not.'));
  }
  return found;
}

/* The least of the last few: an event that came late is no clock that is off. */
function clockOff() {
  const offset = state.offsets.reduce((least, each) => (Math.abs(each) < Math.abs(least) ? each : least),
    Infinity);
  if (state.offsets.length < 3 || Math.abs(offset) < CLOCK_OFF) return [];
  return [alarm('amber', 'clock', `Clocks differ by ${duration(Math.abs(offset))}`,
    `That of ${state.all.node.node} is ${offset > 0 ? 'ahead of' : 'behind'} that of this browser's machine.`,
    'One of them is wrong: see timedatectl on both. Certificates and the times of logs depend on it.')];
}

function allAlarms() {
  const found = [...stateOfNode(), ...lostNodes(), ...twins(), ...lateLoops(), ...fullQueues(),
    ...grownNumbers(), ...clockOff()];
  return found.filter((each) => each.level === 'red').concat(found.filter((each) => each.level !== 'red'));
}

/* ---- The list ------------------------------------------------------------------------------- */

const shownAlarms = new Map();

function alarmItem(each) {
  const item = make('li', {'data-alarm': each.id, 'data-level': each.level},
    make('strong'), make('span', {class: 'meaning'}), make('span', {class: 'advice'}));
  if (each.node) {
    const button = make('button', {type: 'button', 'aria-label': `Forget ${each.node}`}, 'Forget');
    button.addEventListener('click', () => {
      dismiss(each.node);
      render();
    });
    item.append(button);
  }
  return item;
}

function showAlarms(alarms) {
  const list = find('alarms');
  const ids = new Set(alarms.map((each) => each.id));
  for (const [id, item] of shownAlarms) {
    if (!ids.has(id)) {
      item.remove();
      shownAlarms.delete(id);
    }
  }
  alarms.forEach((each, i) => {
    const item = shownAlarms.get(each.id) || alarmItem(each);
    shownAlarms.set(each.id, item);
    const [title, meaning, advice] = item.children;
    setText(title, each.title + (each.since ? ` since ${clock(each.since)}` : ''));
    setText(meaning, each.meaning);
    setText(advice, each.advice);
    setAttribute(item, 'data-since', each.since);
    setAttribute(item, 'data-count', each.count);
    if (list.children[i] !== item) list.insertBefore(item, list.children[i] || null);
  });
  setAttribute(list, 'class', alarms.length ? null : 'none');
}
