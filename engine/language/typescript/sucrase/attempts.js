// Where TypeScript's grammar is ambiguous sucrase tries one reading after the other, and complains about the last one.
// The reading that came furthest is most likely the one that was meant. So this class, which takes the place of
// `SyntaxError` in the bundle, remembers it.

let furthest = null;

class Attempt extends Error {
  set pos(at) {
    this.at = at;
    if (!furthest || at > furthest.at) furthest = this;
  }

  get pos() {
    return this.at;
  }
}

export {Attempt as SyntaxError};

/** Forget what earlier sources were like. */
export function begin() {
  furthest = null;
}

/**
 * The complaint to show for what the parser has thrown: that of the attempt that came furthest. The parser also throws
 * when it is confused at the end, and says nothing of use then.
 */
export function mostLikely(error) {
  const isFurther = furthest && !(error.at >= furthest.at);
  return isFurther && !(error instanceof RangeError) ? furthest : error;
}
