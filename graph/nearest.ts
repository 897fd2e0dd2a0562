/** Comparisons one compilation may spend on "did you mean": beyond it findings come without a hint, never slower. */
const MAX_COMPARISONS = 50_000;

/** Finds the name that was probably meant. */
export class Nearest {
  #left = MAX_COMPARISONS;

  /** The candidate within a third of the word's length (at most 3 edits), the first of the best; undefined when none is near. */
  find(word: string, candidates: Iterable<string>): string | undefined {
    const wanted = word.toLowerCase();
    let best: string | undefined;
    let bestDistance = Math.min(3, Math.max(1, Math.floor(word.length / 3))) + 1;
    for (const candidate of candidates) {
      if (candidate === word || Math.abs(candidate.length - word.length) >= bestDistance) continue;
      if (--this.#left < 0) return best;
      const distance = editDistance(wanted, candidate.toLowerCase(), bestDistance);
      if (distance < bestDistance) {
        best = candidate;
        bestDistance = distance;
      }
    }
    return best;
  }

  hint(word: string, candidates: Iterable<string>): string | undefined {
    const near = this.find(word, candidates);
    return near === undefined ? undefined : `Did you mean \`${near}\`?`;
  }
}

const LONGEST = 64;

/** Insertions, deletions, replacements and swaps of neighbours; `limit` or more counts as `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (a.length > LONGEST || b.length > LONGEST) return a === b ? 0 : limit;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
      least = Math.min(least, cost);
    }
    if (least >= limit) return limit;
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? limit;
}
