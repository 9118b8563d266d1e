/* ---- Plots: the last ten minutes ----------------------------------------------------------------- */

const PLOTS = [
  {id: 'messages', title: 'Messages', unit: '/s', rate: true,
    lines: [['received', 'in by links'], ['sent', 'out by links'], ['taken', 'taken by ports']]},
  {id: 'bytes', title: 'Bytes on links', unit: 'B/s', rate: true,
    lines: [['link_bytes_in', 'in'], ['link_bytes_out', 'out']]},
  {id: 'queue', title: 'Queue', unit: 'B', rate: false,
    lines: [['queued_bytes', 'at ports'], ['link_bytes', 'for links']]},
];
const MARGIN = {left: 58, right: 8, top: 8, bottom: 18};

/* The next of 1, 2, 5, 10 ... that is not below. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.9999);
}

class Plot {
  constructor(plan) {
    this.plan = plan;
    this.at = null; /* the time that is pointed at */
    this.svg = draw('svg', {class: 'plot', tabindex: 0, role: 'img'});
    this.grid = draw('g', {class: 'grid'});
    this.paths = plan.lines.map((line, i) => draw('path', {class: `line line-${i}`}));
    this.cursor = draw('line', {class: 'cursor'});
    this.svg.append(this.grid, ...this.paths, this.cursor);
    this.when = make('span', {class: 'when quiet'});
    this.values = plan.lines.map(() => make('b'));
    const legend = plan.lines.map(([, label], i) => make('span', {class: 'key'},
      make('i', {class: `swatch line-${i}`}), label + ' ', this.values[i]));
    this.element = make('figure', {id: 'plot-' + plan.id},
      make('figcaption', {}, make('strong', {}, plan.title), ...legend, this.when), this.svg);
    this.listen();
  }

  listen() {
    this.svg.addEventListener('pointermove', (event) => {
      const box = this.svg.getBoundingClientRect();
      const share = (event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right);
      this.point(this.end - WINDOW * (1 - Math.min(1, Math.max(0, share))));
    });
    for (const name of ['pointerleave', 'blur']) this.svg.addEventListener(name, () => this.point(null));
    this.svg.addEventListener('keydown', (event) => {
      const step = {ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30}[event.key];
      if (event.key === 'Escape') this.point(null);
      else if (step) this.point(Math.min(this.end, Math.max(this.end - WINDOW, (this.at || this.end) + step)));
      else return;
      event.preventDefault();
    });
  }

  point(at) {
    this.at = at;
    this.show();
  }

  x(time) {
    return MARGIN.left + (this.width - MARGIN.left - MARGIN.right) * (1 - (this.end - time) / WINDOW);
  }

  y(value) {
    return this.height - MARGIN.bottom - (this.height - MARGIN.top - MARGIN.bottom) * value / this.top;
  }

  show() {
    this.width = this.svg.clientWidth || 300;
    this.height = this.svg.clientHeight || 110;
    this.end = state.rows.length ? state.rows[state.rows.length - 1][0] : Date.now() / 1000;
    this.data = this.plan.lines.map(([name]) => series(name, this.plan.rate));
    const most = Math.max(...this.data.map((line) => Math.max(0, ...line.map((point) => point[1] || 0))));
    this.top = roundUp(Math.max(most, this.plan.rate ? 1 : 1000));
    setAttribute(this.svg, 'viewBox', `0 0 ${this.width} ${this.height}`);
    this.drawGrid();
    this.data.forEach((line, i) => setAttribute(this.paths[i], 'd', this.path(line)));
    this.drawValues();
  }

  drawGrid() {
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      const y = this.y(this.top * share).toFixed(1);
      parts.push(draw('line', {x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y, y2: y}));
      const text = draw('text', {x: MARGIN.left - 6, y: Number(y) + 3.5, 'text-anchor': 'end'});
      text.textContent = short(this.top * share, this.plan.unit).replace(/\.(\d*?)0+(?=\u202f)/, (_, kept) => (kept ? '.' + kept : ''));
      parts.push(text);
    }
    for (const minutes of this.width < 450 ? [10, 5, 0] : [10, 8, 6, 4, 2, 0]) {
      const x = this.x(this.end - minutes * 60).toFixed(1);
      const text = draw('text', {x, y: this.height - 4,
        'text-anchor': minutes === 10 ? 'start' : minutes ? 'middle' : 'end'});
      text.textContent = minutes ? `\u2212${minutes}${THIN}min` : 'now';
      parts.push(draw('line', {x1: x, x2: x, y1: this.height - MARGIN.bottom, y2: this.height - MARGIN.bottom + 3}),
        text);
    }
    this.grid.replaceChildren(...parts);
  }

  path(line) {
    let text = '';
    let pen = 'M';
    for (const [time, value] of line) {
      if (value === null) {
        pen = 'M';
      } else if (time >= this.end - WINDOW) {
        text += `${pen}${this.x(time).toFixed(1)} ${this.y(value).toFixed(1)}`;
        pen = 'L';
      }
    }
    return text;
  }

  /* Of the moment that is pointed at, or the last one. */
  drawValues() {
    const last = state.rows.length - 1;
    let row = last;
    if (this.at !== null) {
      row = 0;
      state.rows.forEach(([time], i) => {
        if (Math.abs(time - this.at) < Math.abs(state.rows[row][0] - this.at)) row = i;
      });
    }
    const shown = this.at !== null && row >= 0 && Math.abs(state.rows[row][0] - this.at) <= GAP;
    this.data.forEach((line, i) => {
      const value = row >= 0 && (this.at === null || shown) ? line[row][1] : null;
      setNumber(this.values[i], value === null || value === undefined ? '-' : short(value, this.plan.unit), value);
    });
    setText(this.when, shown ? clock(state.rows[row][0]) : '');
    const x = this.at === null ? -10 : this.x(shown ? state.rows[row][0] : this.at);
    for (const [name, value] of [['x1', x], ['x2', x], ['y1', MARGIN.top], ['y2', this.height - MARGIN.bottom]]) {
      setAttribute(this.cursor, name, value);
    }
    setAttribute(this.svg, 'aria-label', `${this.plan.title}, ${this.plan.lines.map(([, label], i) =>
      `${label} ${this.values[i].textContent}`).join(', ')}`);
  }
}

const plots = PLOTS.map((plan) => new Plot(plan));

function showPlots() {
  const box = find('plots');
  if (!box.children.length) box.append(...plots.map((plot) => plot.element));
  for (const plot of plots) plot.show();
}
