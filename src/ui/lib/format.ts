// Numbers as a person reads them: three significant figures, a true minus sign, thin spaces before units. Every
// figure on the page passes through here, so that columns line up and nothing shows sixteen digits.

const NARROW_SPACE = '\u202f';

function signed(text: string): string {
  return text.replace('-', '\u2212');
}

/** 1234567 → "1,234,567". The browser's own formatter loads the habits of all languages first, which holds up the first
 *  picture of the page by more than all its script. */
function grouped(whole: number): string {
  return String(whole).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** 0.002 → "0.002", 1234.5 → "1,235", 1e-7 → "1e−7"; not-finite values say so. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'not a number' : value > 0 ? '∞' : signed('-∞');
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 1e-4) return signed(value.toExponential(1).replace('.0e', 'e').replace('e+', 'e'));
  if (size >= 1000) return signed(grouped(Math.round(value)));
  return signed(String(Number(value.toPrecision(3))));
}

/** Like formatNumber, with a fixed count of decimals so that a changing figure does not jump about. One that would round
 *  to nothing keeps its first digit. */
export function formatFixed(value: number, decimals = 2): string {
  if (!Number.isFinite(value)) return formatNumber(value);
  if (value !== 0 && Math.abs(value) < 0.5 * 10 ** -decimals)
    return formatNumber(Number(value.toPrecision(1)));
  return Math.abs(value) >= 1000 ? formatNumber(value) : signed(value.toFixed(decimals));
}

/** A figure beside others of which `largest` is the largest: 0.002 among rates as "0.0020", and their last as "0". */
export function formatAmong(value: number, largest: number): string {
  if (value === 0) return '0';
  return formatFixed(value, largest > 0 && largest < 0.05 ? 1 - Math.floor(Math.log10(largest)) : 2);
}

/** A share in [0, 1] as whole per cent: 0.876 → "88 %". */
export function formatPercent(share: number): string {
  return Number.isFinite(share)
    ? `${signed(String(Math.round(share * 100)))}${NARROW_SPACE}%`
    : formatNumber(share);
}

/** Seconds as "0:07", "1:52" or "1:02:03". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (part: number): string => String(part).padStart(2, '0');
  const minutes = Math.floor(whole / 60) % 60;
  return whole < 3600
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(whole / 3600)}:${two(minutes)}:${two(whole % 60)}`;
}

/** Time left in words, coarser the further away the end is: "under a minute", "about 4 minutes". */
export function formatTimeLeft(seconds: number): string {
  if (seconds < 10) return 'a few seconds left';
  if (seconds < 60) return `${Math.ceil(seconds / 10) * 10} seconds left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${minutes} ${minutes === 1 ? 'minute' : 'minutes'} left`;
  return `about ${Math.round(minutes / 60)} hours left`;
}

/** Bytes in decimal units: 11_800_000 → "11.8 MB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : value < 100 && unit > 1 ? value.toFixed(1) : Math.round(value)}${NARROW_SPACE}${units[unit]}`;
}

/** Large counts in short: 5_914_112 → "5.9 million". */
export function formatCount(count: number): string {
  if (count < 10_000) return grouped(count);
  if (count < 1e6) return `${Math.round(count / 1000)} thousand`;
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} million` : `${(count / 1e9).toFixed(1)} billion`;
}

/** "kind-endings" → "Kind endings". */
export function titleOf(name: string): string {
  const words = name.replaceAll(/[-_]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A label in the middle of a sentence: "Learning rate" → "learning rate", "KL coefficient" as it is. */
export const uncapital = (label: string): string =>
  /^\p{Lu}\p{Lu}/u.test(label) ? label : label.charAt(0).toLowerCase() + label.slice(1);

/** The first word with a capital, unless it is a name out of an experiment file: `data.preferences`, `use_dora`, `k3`. */
export const capital = (sentence: string): string =>
  /^\p{Ll}+[ ,:]/u.test(sentence) ? sentence.charAt(0).toUpperCase() + sentence.slice(1) : sentence;
