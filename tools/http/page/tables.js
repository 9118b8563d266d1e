/* ---- Tables: sorted by a click on a column's head, kept row by row ------------------------------- */

const ROWS_SHOWN = 100;

class Table {
  /* columns: {key, title, value(row), text(value, row), left, wide, cell(row) for what is no text};
   * `wide`: not on a phone. */
  constructor(place, {label, columns, key, sort, descending, empty}) {
    Object.assign(this, {columns, key, sort, descending, empty});
    this.rows = new Map();
    this.heads = columns.map((column) => this.head(column));
    this.body = make('tbody');
    this.note = make('p', {class: 'quiet note'});
    const table = make('table', {'aria-label': label}, make('thead', {}, make('tr', {}, ...this.heads)), this.body);
    find(place).append(table, this.note);
    this.all = [];
  }

  head(column) {
    const button = make('button', {type: 'button'}, column.title);
    button.addEventListener('click', () => {
      this.descending = this.sort === column.key ? !this.descending : !column.left;
      this.sort = column.key;
      this.show(this.all);
    });
    return make('th', {scope: 'col', class: this.classOf(column)}, button);
  }

  classOf(column) {
    return [column.left ? 'left' : '', column.wide ? 'wide' : ''].join(' ').trim() || null;
  }

  compare(a, b) {
    const column = this.columns.find((each) => each.key === this.sort);
    const [x, y] = [column.value(a), column.value(b)];
    const order = x === y ? 0 : x === null ? -1 : y === null ? 1 : x < y ? -1 : 1;
    const way = this.descending ? -order : order;
    return way || (this.key(a) < this.key(b) ? -1 : 1);
  }

  row(item) {
    const cells = this.columns.map((column, i) => make(i === 0 ? 'th' : 'td', {class: this.classOf(column),
      scope: i === 0 ? 'row' : null}));
    this.columns.forEach((column, i) => column.cell && cells[i].append(column.cell(item)));
    return make('tr', {'data-key': this.key(item)}, ...cells);
  }

  fill(element, item) {
    this.columns.forEach((column, i) => {
      const cell = element.children[i];
      const value = column.value(item);
      if (!column.cell) setText(cell, column.text ? column.text(value, item) : value);
      setAttribute(cell, 'data-value', value);
    });
    setAttribute(element, 'data-level', item.level);
  }

  show(all, total) {
    this.all = all;
    this.total = total === undefined ? this.total : total;
    this.columns.forEach((column, i) => setAttribute(this.heads[i], 'aria-sort',
      column.key === this.sort ? (this.descending ? 'descending' : 'ascending') : null));
    const items = [...all].sort((a, b) => this.compare(a, b)).slice(0, ROWS_SHOWN);
    const keys = new Set(items.map(this.key));
    for (const [key, element] of this.rows) {
      if (!keys.has(key)) {
        element.remove();
        this.rows.delete(key);
      }
    }
    items.forEach((item, i) => {
      const key = this.key(item);
      const element = this.rows.get(key) || this.row(item);
      this.rows.set(key, element);
      this.fill(element, item);
      if (this.body.children[i] !== element) this.body.insertBefore(element, this.body.children[i] || null);
    });
    setText(this.note, items.length === 0 ? this.empty
      : items.length < all.length ? `The first ${ROWS_SHOWN} of ${whole(all.length)} in this order.` : '');
  }
}

/* ---- Links, ports --------------------------------------------------------------------------- */

const rateColumn = (key, title, name, text, wide) => ({key, title, wide, text,
  value: (row) => rateOf(row, row.before, name)});
const byteColumn = (key, title) => ({key, title, value: (row) => row[key], text: bytes});

const linkTable = new Table('links', {
  label: 'Links', key: (row) => row.node, sort: 'node', empty: 'No link.',
  columns: [
    {key: 'node', title: 'Node', left: true, value: (row) => row.node},
    {key: 'state', title: 'State', left: true, wide: true,
      value: (row) => row.full ? 'full' : row.up ? 'up' : 'being made'},
    rateColumn('in', 'In', 'messages_in', perSecond),
    rateColumn('out', 'Out', 'messages_out', perSecond),
    rateColumn('bytes_in', 'Bytes in', 'bytes_in', bytesPerSecond, true),
    rateColumn('bytes_out', 'Bytes out', 'bytes_out', bytesPerSecond, true),
    byteColumn('queued_bytes', 'Queue'),
    {key: 'messages', title: 'Messages', wide: true, value: (row) => row.messages_in + row.messages_out,
      text: whole},
    {key: 'up_ms', title: 'For', wide: true, value: (row) => row.up_ms, 
      text: (ms, row) => row.up ? duration(ms / 1000) : '-'},
    {key: 'how', title: 'By', left: true, wide: true, value: (row) => row.up
      ? `${row.framing}${row.encrypted ? ', TLS' : ''}, ${row.address}` : '-'},
  ],
});

const portColumns = (first) => [
  {key: 'port', title: 'Port', left: true, value: (row) => row.port},
  ...first,
  byteColumn('queued_bytes', 'Queue'),
  {key: 'shard', title: 'Shard', wide: true, value: (row) => row.shard},
  {key: 'state', title: 'State', left: true, wide: true,
    value: (row) => row.full ? 'full' : row.waits ? 'waits' : 'takes'},
];
const meanColumn = {key: 'mean', title: 'Mean', value: (row) => row.handled_mean_ns, text: nanoseconds};
const mostColumn = {key: 'max', title: 'Most', value: (row) => row.handled_max_ns, text: nanoseconds};
const messageColumn = {key: 'messages', title: 'Messages', value: (row) => row.messages, text: whole};

const portTable = new Table('ports', {
  label: 'Busiest ports', key: (row) => row.port, sort: 'messages', descending: true,
  empty: 'No port has had a message.',
  columns: portColumns([rateColumn('rate', 'Rate', 'messages', perSecond), messageColumn]),
});
const slowTable = new Table('slowest', {
  label: 'Slowest ports', key: (row) => row.port, sort: 'mean', descending: true,
  empty: 'No handler has been timed yet.',
  columns: portColumns([meanColumn, mostColumn]),
});

/* With what the event before said of the same. */
function withBefore(list, before, key) {
  const known = byKey(before || [], key);
  return list.map((row) => ({...row, before: known.get(row[key]),
    level: row.full ? 'red' : row.up === false ? 'amber' : null}));
}

function searched(list, box, key) {
  const text = find(box).value.toLowerCase();
  return list.filter((row) => row[key].toLowerCase().includes(text));
}

function shownOf(list, all) {
  return list.length < all ? `${whole(list.length)} of ${whole(all)}` : whole(all);
}

function showTables() {
  if (!state.all) return;
  const {links, ports} = state.all;
  const before = state.before || {links: {}, ports: {}};
  linkTable.show(searched(withBefore(links.links, before.links.links, 'node'), 'links-find', 'node'));
  setNumber(find('links-count'), shownOf(links.links, links.all), links.all);
  portTable.show(withBefore(ports.ports, before.ports.ports, 'port').filter((port) => port.messages > 0));
  setNumber(find('ports-count'), `of ${whole(ports.all)}`, ports.all);
  slowTable.show(withBefore(ports.slowest || [], before.ports.slowest, 'port'));
  showFamilies();
}

/* ---- Numbers -------------------------------------------------------------------------------- */

const TILES = [
  ['links', 'links', (node) => [whole(node.counts.links), node.counts.links]],
  ['ports', 'ports', (node) => [whole(node.counts.ports), node.counts.ports]],
  ['entries', 'entries', (node) => [whole(node.counts.entries), node.counts.entries]],
  ['queued', 'queued', (node) => [whole(node.counts.queued), node.counts.queued]],
  ['lost', 'lost', (node) => [whole(node.counts.lost), node.counts.lost]],
  ['dropped', 'dropped', (node) => [whole(node.counts.dropped), node.counts.dropped]],
];

function term(list, id, label) {
  const value = make('dd', {id});
  list.append(make('div', {}, make('dt', {}, label), value));
  return value;
}

function showTiles() {
  for (const [name, label, look] of TILES) {
    const value = find('tile-' + name) || term(find('tiles'), 'tile-' + name, label);
    setNumber(value, ...look(state.all.node));
  }
}

function showCounts() {
  const {counts, handshakes_failed: failed} = state.all.node;
  const all = [...Object.entries(counts), ...Object.entries(failed).map(([name, value]) =>
    ['failed_' + name, value])];
  for (const [name, value] of all) {
    const element = find('count-' + name) || term(find('counts'), 'count-' + name, name.replace('failed_', 'failed: ').replaceAll('_', ' '));
    setNumber(element, whole(value), value);
  }
}

/* ---- What has happened ---------------------------------------------------------------------- */

function happenings() {
  const links = state.log.links.map((link) => ({time: link.time, level: link.up || link.stopped ? 'info' : 'warn',
    text: link.up ? `${link.node} is linked` : `${link.node} ${link.stopped ? 'has stopped' : 'is lost: ' + link.why}`}));
  const lines = state.log.lines.filter((line) => !line.line.startsWith('lost the link to '))
    .map((line) => ({time: line.time, level: line.level, text: line.line}));
  return links.concat(lines).sort((a, b) => b.time - a.time);
}

function showLog() {
  if (!state.log) return;
  const items = happenings().map(({time, level, text}) => make('li', {'data-level': level},
    make('time', {datetime: new Date(time * 1000).toISOString()}, clock(time)),
    make('b', {}, level === 'info' ? '' : level), make('span', {}, text)));
  find('log').replaceChildren(...(items.length ? items : [make('li', {class: 'quiet'}, 'Nothing yet.')]));
}
