// What QuickJS needs before `prelude.js`: no more globals than V8 gives, errors that run no code of the snippet's, and an
// end to what runs too long.
//
// QuickJS looks at its time limit at loops and calls only, so a builtin that goes over four billion holes of a sparse
// array, or looks for a long text in a longer one, would hold the thread for minutes. What is refused here is what no
// short transform does; a snippet may catch the refusal.
(() => {
  "use strict";

  const { apply, construct } = Reflect;
  const { isArray } = Array;
  const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const RangeErrorOf = RangeError;

  globalThis.console = {};

  // What is thrown out of a microtask or a clean-up callback would be turned into text with no limit set. And where
  // `web.js` has something to offer, it is the same on every engine.
  for (const name of ["queueMicrotask", "FinalizationRegistry", "DOMException", "btoa", "atob", "performance"]) delete globalThis[name];

  // ---------------------------------------------------------------- errors

  // An interruption leaves as an InternalError, which the binding reads after it has taken the time limit away. So
  // nothing of the snippet's may run when one is read, or when any error is made.
  const { get, set } = getOwnPropertyDescriptor(Error.prototype, "stack");
  const errorToText = Error.prototype.toString;
  defineProperty(InternalError.prototype, "stack", { get, set });
  defineProperty(Error.prototype, "stack", {
    get() {
      const frames = apply(get, this, []);
      return typeof frames === "string" ? `${apply(errorToText, this, [])}\n${frames}` : frames; // as V8 has it
    },
  });
  const toText = { toText() { return `InternalError: ${this.message}`; } }.toText;
  defineProperty(InternalError.prototype, Symbol.toPrimitive, { value: toText });
  defineProperty(InternalError.prototype, "message", { value: "", writable: true });
  defineProperty(Error, "prepareStackTrace", { value: undefined, writable: false, configurable: false });
  defineProperty(Error, "stackTraceLimit", { value: 10, writable: true, configurable: false });

  // ---------------------------------------------------------------- time

  const MOST_ITEMS = 2 ** 20; // more than the memory limit has room for: such an array is a sparse one
  const MOST_SORTED = 2 ** 14; // items or numbers that are sorted without calling back
  const MOST_COMPARED = 2 ** 24; // pairs of characters that a search may have to look at
  const MOST_DIGITS = 2 ** 14; // of an integer
  const MOST_FOLDED = 2 ** 15; // characters that are brought into a normal form

  const refuse = (size, most, what) => {
    if (size > most) throw new RangeErrorOf(`${what} would exceed the time limit, or the memory limit, of QuickJS: use the engine v8`);
  };

  // Ten thousand turns of a loop pass between two looks at the time. So that ten thousand builtins do not pass as well,
  // each that works on much takes turns in proportion: one for 256 items.
  const tick = (work) => {
    for (let turns = work / 256; turns >= 1; turns--);
  };

  const guard = (owner, names, check) => {
    for (const name of names.split(" ")) {
      const original = owner[name];
      if (original === undefined) continue;
      const guarded = {
        [name](...args) {
          tick(check(this, args, name));
          return apply(original, this, args);
        },
      }[name];
      defineProperty(owner, name, { value: guarded });
    }
  };

  const items = (self, name) => {
    const length = self?.length ?? 0;
    refuse(length, MOST_ITEMS, `to ${name} an array of ${length} items`);
    return length;
  };
  const sorted = (self, [compare], name) => {
    const length = items(self, name);
    if (compare === undefined) refuse(length, MOST_SORTED, `to ${name} ${length} items without a function that compares`);
    return length * 16;
  };

  const ofArrays =
    "copyWithin entries fill flat flatMap indexOf includes join keys lastIndexOf reverse shift slice splice toLocaleString toReversed toSpliced unshift values with";
  guard(Array.prototype, ofArrays, (self, _, name) => items(self, name));
  guard(Array.prototype, "concat", (self, args, name) => {
    let work = items(self, name);
    for (let i = 0; i < args.length; i++) if (isArray(args[i])) work += items(args[i], name);
    return work;
  });
  guard(Array.prototype, "sort toSorted", sorted);
  const TypedArray = getPrototypeOf(Uint8Array.prototype);
  guard(TypedArray, "sort toSorted", sorted);
  const ofTypedArrays = "copyWithin fill includes indexOf join lastIndexOf reverse slice toLocaleString toReversed with";
  guard(TypedArray, ofTypedArrays, (self) => self?.length ?? 0);
  guard(TypedArray, "set", (_, [source], name) => items(source, name));
  guard(Array, "from", (_, [source], name) => items(source, name));
  guard(Object, "fromEntries", (_, [source], name) => items(source, name));
  guard(JSON, "stringify", (_, [value, names], name) => (isArray(value) ? items(value, name) : 0) + (isArray(names) ? items(names, name) : 0));
  guard(String, "raw", (_, [strings], name) => items(strings?.raw, name));

  guard(String.prototype, "includes indexOf lastIndexOf split replace replaceAll", (self, [wanted], name) => {
    const length = self?.length ?? 0;
    if (typeof wanted !== "string") return length;
    const work = length * wanted.length;
    if (wanted.length > 1) refuse(work, MOST_COMPARED, `to look for ${wanted.length} characters in ${length}`);
    return work / 16;
  });
  guard(String.prototype, "localeCompare normalize", (self, [other], name) => {
    const length = (self?.length ?? 0) + (typeof other === "string" ? other.length : 0);
    refuse(length, MOST_FOLDED, `to ${name} ${length} characters`);
    return length * 32;
  });
  guard(String.prototype, "endsWith isWellFormed startsWith toLowerCase toUpperCase toWellFormed trim trimEnd trimStart", (self) => self?.length);
  guard(globalThis, "parseFloat parseInt", (_, [text]) => (typeof text === "string" ? text.length : 0));
  guard(Date, "parse", (_, [text]) => (typeof text === "string" ? text.length : 0));
  guard(Object, "freeze seal isFrozen isSealed", (_, [value]) => (isArray(value) ? value.length : 0));

  const key = (_, [value]) => (typeof value === "string" ? value.length : 0); // to find a text takes all of it
  guard(Map.prototype, "delete get has set", key);
  guard(Set.prototype, "add delete has", key);

  const replaceGlobal = (name, traps) => {
    const Original = globalThis[name];
    const Guarded = new Proxy(Original, traps);
    defineProperty(Original.prototype, "constructor", { value: Guarded });
    defineProperty(globalThis, name, { value: Guarded });
  };

  for (const name of ["Set", "Map", "WeakSet", "WeakMap"]) {
    replaceGlobal(name, {
      construct(target, args, newTarget) {
        if (isArray(args[0])) items(args[0], "take");
        return construct(target, args, newTarget);
      },
    });
  }
  replaceGlobal("BigInt", {
    apply(target, self, args) {
      if (typeof args[0] === "string") refuse(args[0].length, MOST_DIGITS, `to read an integer of ${args[0].length} digits`);
      return apply(target, self, args);
    },
  });
})()
