/* ---- Words, numbers, elements ------------------------------------------------------------------
 * What comes from outside gets into the page as text or as an attribute, never as HTML.
 */

const SVG = 'http://www.w3.org/2000/svg';
const THIN = '\u202f';

function find(id) {
  return document.getElementById(id);
}

function make(tag, attributes, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

function draw(tag, attributes, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    setAttribute(element, name, value);
  }
  element.append(...children);
  return element;
}

/* Nothing is touched that is so already, so that the browser has nothing to do. */
function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

function setText(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

/* A value as people read it, and as it is. */
function setNumber(element, text, exact) {
  setText(element, text);
  setAttribute(element, 'data-value', exact);
}

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P'];

/* Three digits and a prefix: 0, 0.25, 12.3 k, 1.04 M. */
function short(value, unit) {
  let scaled = Math.abs(value);
  let prefix = 0;
  while (scaled >= 999.5 && prefix + 1 < PREFIXES.length) {
    scaled /= 1000;
    prefix++;
  }
  let digits = 0;
  if (prefix > 0 || scaled < 10) digits = scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  let text = scaled.toFixed(digits);
  if (prefix === 0) text = text.replace(/\.?0+$/, '') || '0';
  if (digits === 0) text = scaled.toFixed(0);
  const tail = PREFIXES[prefix] + (unit || '');
  return (value < 0 ? '-' : '') + text + (tail ? THIN + tail : '');
}

const bytes = (value) => short(value, 'B');
const perSecond = (value) => (value === null ? '-' : short(value, '/s'));
const bytesPerSecond = (value) => (value === null ? '-' : short(value, 'B/s'));

function whole(value) {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
}

function nanoseconds(value) {
  if (value < 1e3) return value + THIN + 'ns';
  if (value < 999.5e3) return (value / 1e3).toPrecision(3) + THIN + '\u00b5s';
  if (value < 999.5e6) return (value / 1e6).toPrecision(3) + THIN + 'ms';
  return (value / 1e9).toPrecision(3) + THIN + 's';
}

function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (a, unit, b, small) => a + THIN + unit + (b ? ' ' + b + THIN + small : '');
  if (s < 60) return s + THIN + 's';
  if (s < 3600) return two(Math.floor(s / 60), 'min', s % 60, 's');
  if (s < 86400) return two(Math.floor(s / 3600), 'h', Math.floor(s / 60) % 60, 'min');
  return two(Math.floor(s / 86400), 'd', Math.floor(s / 3600) % 24, 'h');
}

/* Of seconds since 1970, where the browser is; with the day where it is not today. */
function clock(time) {
  const date = new Date(time * 1000);
  const hours = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, '0')).join(':');
  if (date.toDateString() === new Date().toDateString()) return hours;
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}-` +
    `${String(date.getDate()).padStart(2, '0')} ${hours}`;
}

/* A name of which the beginning and the end are seen: the end is what mostly differs. */
function shorten(name, most) {
  const letters = Array.from(name);
  if (letters.length <= most) return name;
  const tail = Math.ceil((most - 1) * 0.6);
  return letters.slice(0, most - 1 - tail).join('') + '\u2026' + letters.slice(-tail).join('');
}

function many(count, one, more) {
  return whole(count) + ' ' + (count === 1 ? one : more || one + 's');
}
