/* ---- Database: families, and the entries of one ------------------------------------------------- */

const ENTRIES_MS = 2000; /* between two looks at the entries of the family that is open */
const NEWS_MS = 4000; /* for so long what has changed is marked */

const database = {family: null, after: [''], page: null, asked: 0, keys: new Map(), changed: new Map()};

function familyButton(row) {
  const button = make('button', {type: 'button', class: 'plain'}, row.family);
  button.addEventListener('click', () => openFamily(row.family));
  return button;
}

const familyTable = new Table('families', {
  label: 'Families', key: (row) => row.family, sort: 'keys', descending: true, empty: 'No family.',
  columns: [
    {key: 'family', title: 'Family', left: true, value: (row) => row.family, cell: familyButton},
    {key: 'keys', title: 'Keys', value: (row) => row.keys, text: whole},
    {key: 'change', title: 'Change', value: (row) => row.change,
      text: (change) => (change > 0 ? '+' : change < 0 ? '\u2212' : '') + (change ? whole(Math.abs(change)) : '')},
  ],
});

/* By how many keys it has changed of late. */
function changeOf({family, keys}, now) {
  const before = database.keys.get(family);
  const known = database.changed.get(family);
  if (before !== undefined && before !== keys) {
    database.changed.set(family, {change: keys - before, until: now + NEWS_MS});
  } else if (known && known.until < now) {
    database.changed.delete(family);
  }
  const news = database.changed.get(family);
  return news ? news.change : 0;
}

function showFamilies() {
  if (!state.all) return;
  const {families, all} = state.all.database;
  const now = performance.now();
  const rows = families.map((family) => ({...family, change: changeOf(family, now)}));
  database.keys = new Map(families.map((family) => [family.family, family.keys]));
  familyTable.show(searched(rows, 'families-find', 'family'));
  setNumber(find('families-count'), shownOf(families, all) + (all === 1 ? ' family' : ' families'), all);
}

/* ---- Entries -------------------------------------------------------------------------------- */

const entryTable = new Table('entries', {
  label: 'Entries', key: (row) => row.key, sort: 'key', empty: 'No such key.',
  columns: [
    {key: 'key', title: 'Key', left: true, value: (row) => row.key},
    {key: 'value', title: 'Value', left: true, value: (row) => row.value,
      text: (value, row) => (value === null ? `(${bytes(row.bytes)}, too large to be shown)` : value)},
  ],
});

function openFamily(family) {
  Object.assign(database, {family, after: [''], page: null, asked: 0});
  find('entries-find').value = '';
  find('family').hidden = false;
  setText(find('family-name'), family);
  entryTable.show([]);
  setText(find('entries-count'), '\u2026');
  askEntries();
}

function closeFamily() {
  database.family = null;
  find('family').hidden = true;
}

/* What has come or changed since the last look is marked for a moment. */
function mark(entries) {
  const before = database.page && database.page.entries ? byKey(database.page.entries, 'key') : null;
  return entries.map((entry) => {
    const known = before && before.get(entry.key);
    const news = before && (!known || known.value !== entry.value);
    return {...entry, level: news ? 'news' : null};
  });
}

function showEntries(page, isSame) {
  const entries = page.entries || [];
  entryTable.show(isSame ? mark(entries) : entries);
  database.page = page;
  setText(find('entries-count'), page.error || (page.found < page.keys
    ? `${whole(page.found)} of ${many(page.keys, 'key')}` : many(page.keys, 'key')));
  setAttribute(find('entries-count'), 'data-value', page.keys);
  find('entries-first').disabled = database.after.length < 2;
  find('entries-next').disabled = !page.more;
}

async function askEntries() {
  const family = database.family;
  const find_ = find('entries-find').value;
  const after = database.after[database.after.length - 1];
  const place = JSON.stringify([family, find_, after]);
  database.asked = performance.now();
  try {
    const page = await ask('/api/database?' + new URLSearchParams({family, find: find_, after}));
    if (database.family === family && find_ === find('entries-find').value) {
      showEntries(page, database.place === place);
      database.place = place;
    }
  } catch (error) {
    /* the stream tells of what is wrong */
  }
}

function followEntries() {
  if (database.family && performance.now() - database.asked >= ENTRIES_MS) askEntries();
}

function listenToDatabase() {
  find('families-find').addEventListener('input', showFamilies);
  find('family-close').addEventListener('click', closeFamily);
  find('entries-find').addEventListener('input', () => {
    database.after = [''];
    askEntries();
  });
  find('entries-first').addEventListener('click', () => {
    database.after = [''];
    askEntries();
  });
  find('entries-next').addEventListener('click', () => {
    const entries = database.page.entries;
    database.after.push(entries[entries.length - 1].key);
    askEntries();
  });
}
