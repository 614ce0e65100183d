// What QuickJS needs before `prelude.js`: no more globals than V8 gives, errors that run no code of the snippet's, and an
// end to what runs too long.
//
// QuickJS looks at its time limit at loops and calls only, so a builtin that goes over four billion holes of a sparse
// array, or looks for a long text in a longer one, would hold the thread for minutes. And a few of its builtins end the
// process when they get no memory. What is refused here is what no short transform does; a snippet may catch the refusal.
//
// As in the prelude, nothing here may go through what a snippet can change. The script's value is called when the prelude
// is there; what that gives goes around the object of every `for … in` (`forin.py`).
(() => {
  "use strict";

  const { apply, construct } = Reflect;
  const { isArray } = Array;
  const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, hasOwn } = Object;
  const [ArrayOf, ObjectOf, ProxyOf, RangeErrorOf, TypeErrorOf, WeakSetOf] = [Array, Object, Proxy, RangeError, TypeError, WeakSet];
  const [ArrayPrototype, ObjectPrototype] = [Array.prototype, Object.prototype];
  const [MapPrototype, SetPrototype] = [Map.prototype, Set.prototype];
  const SPREADABLE = Symbol.isConcatSpreadable;
  const bind = (f) => Function.prototype.call.bind(f);
  const [hasMember, addMember] = [bind(WeakSet.prototype.has), bind(WeakSet.prototype.add)];
  const push = bind(Array.prototype.push);
  const copyOf = bind(Array.prototype.toSpliced); // which asks nobody what to make
  const TypedArray = getPrototypeOf(Uint8Array.prototype);
  const lengthOfView = bind(getOwnPropertyDescriptor(TypedArray, "length").get);

  globalThis.console = {};

  // What is thrown out of a microtask or a clean-up callback would be turned into text with no limit set. And where
  // `web.js` has something to offer, it is the same on every engine.
  for (const name of ["queueMicrotask", "FinalizationRegistry", "DOMException", "btoa", "atob", "performance"]) delete globalThis[name];

  // Code that was made at run time has not been through `forin.py`.
  const noCode = (name) => ({
    [name]: function () {
      throw new TypeErrorOf(`${name} is not available on QuickJS: use the engine v8`);
    },
  })[name];
  globalThis.eval = noCode("eval");
  globalThis.Function = noCode("Function");
  for (const f of [function () {}, async function () {}, function* () {}, async function* () {}]) {
    defineProperty(getPrototypeOf(f), "constructor", { value: globalThis.Function, writable: false, configurable: false });
  }
  defineProperty(globalThis.Function, "prototype", { value: getPrototypeOf(noCode) }); // for `instanceof`

  // A template is made by calling this, whoever has written it.
  defineProperty(String.prototype, "concat", { writable: false, configurable: false });

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
      replace(owner, {
        [name](...args) {
          tick(check(this, args, name));
          return apply(original, this, args);
        },
      });
    }
  };

  const replace = (owner, methods) => {
    for (const name of Object.keys(methods)) defineProperty(owner, name, { value: methods[name] });
  };

  const proxies = new WeakSetOf();

  // How many items a builtin will find. What may tell another number when it is asked again is refused: a proxy, a getter.
  const lengthOf = (value, name) => {
    if (typeof value === "string") return value.length;
    if (value === null || value === undefined) return 0;
    if (typeof value === "object" || typeof value === "function") {
      const own = hasMember(proxies, value) ? {} : getOwnPropertyDescriptor(value, "length");
      if (own !== undefined && hasOwn(own, "value") && typeof own.value === "number") return own.value;
      if (own === undefined && !inherits(value, "length")) return 0;
    }
    throw new TypeErrorOf(`to ${name} what is no array, and has no plain length, is not possible on QuickJS: use the engine v8`);
  };

  // Whether an object has got a field, or may have got it, from another.
  const inherits = (object, name) => {
    for (let at = getPrototypeOf(object); at !== null; at = getPrototypeOf(at)) if (hasMember(proxies, at) || hasOwn(at, name)) return true;
    return false;
  };

  const items = (self, name) => few(lengthOf(self, name), name);

  const few = (length, name) => {
    refuse(length, MOST_ITEMS, `to ${name} an array of ${length} items`);
    return length;
  };

  const sorted = (length, args, name) => {
    if (args[0] === undefined) refuse(length, MOST_SORTED, `to ${name} ${length} items without a function that compares`);
    return length * 16;
  };

  const ofArrays =
    "copyWithin entries fill includes indexOf join keys lastIndexOf reverse shift slice splice toLocaleString toReversed toSpliced unshift values with";
  guard(ArrayPrototype, ofArrays, (self, _, name) => items(self, name));
  guard(ArrayPrototype, "sort toSorted", (self, args, name) => sorted(items(self, name), args, name));
  const ofTypedArrays = "copyWithin fill includes indexOf join lastIndexOf reverse slice toLocaleString toReversed with";
  guard(TypedArray, ofTypedArrays, (self) => lengthOfView(self));
  guard(TypedArray, "sort toSorted", (self, args, name) => sorted(lengthOfView(self), args, name));

  // These make what they find: what it tells about its length is worth no more than a guess, and memory has a limit.
  const found = (value, name) => few(value?.length ?? 0, name);
  guard(TypedArray, "set", (_, args, name) => found(args[0], name));
  guard(Array, "from", (_, args, name) => found(args[0], name));
  guard(Object, "fromEntries", (_, args, name) => found(args[0], name));
  guard(JSON, "stringify", (_, args, name) => {
    let work = 0;
    for (let i = 0; i < 2 && i < args.length; i++) if (isArray(args[i])) work += found(args[i], name);
    return work;
  });
  guard(String, "raw", (_, args, name) => found(args[0]?.raw, name));

  // What goes from one list to the next looks at the length of each when it gets there, which code of the snippet's may
  // have changed by then. So one is made of copies, and the others are loops, which get interrupted.
  const { concat } = ArrayPrototype;
  const flatten = (target, list, depth) => {
    const length = items(list, "flat");
    for (let i = 0; i < length; i++) {
      if (!(i in list)) continue;
      const item = list[i];
      if (depth >= 1 && isArray(item)) flatten(target, item, depth - 1);
      else push(target, item);
    }
    return target;
  };
  const isPlain = () =>
    getPrototypeOf(ArrayPrototype) === ObjectPrototype &&
    !(SPREADABLE in ArrayPrototype) &&
    hasOwn(getOwnPropertyDescriptor(ArrayPrototype, "constructor") ?? {}, "value");
  const copyForConcat = (value) => {
    if (isArray(value)) return copyOf(value);
    if (typeof value === "object" && value !== null && SPREADABLE in value) throw new TypeErrorOf("Symbol.isConcatSpreadable is not available on QuickJS: use the engine v8");
    return [value];
  };
  replace(ArrayPrototype, {
    concat(...args) {
      let work = items(this, "concat");
      for (let i = 0; i < args.length; i++) {
        if (isArray(args[i])) work += items(args[i], "concat");
        args[i] = copyForConcat(args[i]);
      }
      tick(work);
      const self = copyForConcat(this);
      if (!isPlain()) throw new TypeErrorOf("to concat is not possible any more: Array.prototype was changed");
      return apply(concat, self, args);
    },
    flat(depth) {
      return flatten([], this, depth === undefined ? 1 : +depth);
    },
    flatMap(callback, self) {
      const target = [];
      const length = items(this, "flatMap");
      for (let i = 0; i < length; i++) if (i in this) flatten(target, [apply(callback, self, [this[i], i, this])], 1);
      return target;
    },
  });

  guard(String.prototype, "includes indexOf lastIndexOf split replace replaceAll", (self, args, name) => {
    const length = self?.length ?? 0;
    const wanted = args[0];
    if (typeof wanted !== "string") return length;
    const work = length * wanted.length;
    if (wanted.length > 1) refuse(work, MOST_COMPARED, `to look for ${wanted.length} characters in ${length}`);
    return work / 16;
  });
  guard(String.prototype, "localeCompare normalize", (self, args, name) => {
    const other = args[0];
    const length = (self?.length ?? 0) + (typeof other === "string" ? other.length : 0);
    refuse(length, MOST_FOLDED, `to ${name} ${length} characters`);
    return length * 32;
  });
  guard(String.prototype, "endsWith isWellFormed startsWith toLowerCase toUpperCase toWellFormed trim trimEnd trimStart", (self) => self?.length);
  const ofText = (_, args) => (typeof args[0] === "string" ? args[0].length : 0);
  guard(globalThis, "parseFloat parseInt", ofText);
  guard(Date, "parse", ofText);
  guard(Object, "freeze seal isFrozen isSealed", (_, args) => (isArray(args[0]) ? args[0].length : 0));
  guard(Map.prototype, "delete get has set", ofText); // to find a text takes all of it
  guard(Set.prototype, "add delete has", ofText);

  // An iterator of an array never ends if the array grows. `includes` and `join` are in no other engine yet.
  for (const name of ["includes", "join"]) delete Iterator.prototype[name];
  const { drop } = Iterator.prototype;
  replace(Iterator.prototype, {
    drop(count) {
      const number = +count;
      few(number, "drop");
      return apply(drop, this, [number]);
    },
  });

  // What takes the place of a set brings such an iterator along.
  const { get: sizeOfSet } = getOwnPropertyDescriptor(SetPrototype, "size");
  const { get: sizeOfMap } = getOwnPropertyDescriptor(MapPrototype, "size");
  for (const prototype of [SetPrototype, MapPrototype]) {
    for (const name of ["has", "keys"]) defineProperty(prototype, name, { writable: false, configurable: false });
  }
  guard(SetPrototype, "difference intersection isDisjointFrom isSubsetOf isSupersetOf symmetricDifference union", (self, args, name) => {
    const other = args[0];
    const prototype = typeof other === "object" && other !== null && !hasMember(proxies, other) ? getPrototypeOf(other) : null;
    const isPlain = prototype === SetPrototype || prototype === MapPrototype;
    if (!isPlain || hasOwn(other, "keys") || hasOwn(other, "has")) throw new TypeErrorOf(`${name} takes a Set or a Map, and nothing like it, on QuickJS`);
    return apply(sizeOfSet, self, []) + apply(prototype === MapPrototype ? sizeOfMap : sizeOfSet, other, []);
  });

  // ---------------------------------------------------------------- constructors

  const replaceGlobal = (name, traps) => {
    const Original = globalThis[name];
    const Guarded = new ProxyOf(Original, { __proto__: null, ...traps });
    if (Original.prototype !== undefined) defineProperty(Original.prototype, "constructor", { value: Guarded });
    defineProperty(globalThis, name, { value: Guarded });
  };

  const { revocable } = Proxy;
  const keep = (proxy) => {
    addMember(proxies, proxy);
    return proxy;
  };
  replaceGlobal("Proxy", { construct: (target, args) => keep(construct(target, args)) });
  replace(ProxyOf, {
    revocable(target, handler) {
      const made = apply(revocable, ProxyOf, [target, handler]);
      keep(made.proxy);
      return made;
    },
  });

  // They take what they are given one by one, in a loop that gets interrupted.
  const addTo = (made, item) => made.add(item);
  const setIn = (made, item) => {
    if (typeof item !== "object" || item === null) throw new TypeErrorOf("an entry of a Map is a list of a key and a value");
    made.set(item[0], item[1]);
  };
  for (const [name, add] of [["Set", addTo], ["WeakSet", addTo], ["Map", setIn], ["WeakMap", setIn]]) {
    replaceGlobal(name, {
      construct(target, args, newTarget) {
        const made = construct(target, [], newTarget);
        const list = args.length === 0 ? undefined : args[0];
        if (list === undefined || list === null) return made;
        if (isArray(list)) items(list, "take");
        for (const item of list) add(made, item);
        return made;
      },
    });
  }
  replaceGlobal("BigInt", {
    apply(target, self, args) {
      if (typeof args[0] === "string") refuse(args[0].length, MOST_DIGITS, `to read an integer of ${args[0].length} digits`);
      return apply(target, self, args);
    },
  });

  // An array with another prototype, one that other objects have too, ends the process if there is no memory for its length.
  const replaceConstruct = () => {
    replace(Reflect, {
      construct(target, args, newTarget = target) {
        if (isOrExtends(target, ArrayOf) && !isOrExtends(newTarget, target)) {
          throw new TypeErrorOf("Reflect.construct makes no array of another class on QuickJS: use the engine v8");
        }
        return construct(target, args, newTarget);
      },
    });
  };

  const isOrExtends = (derived, base) => {
    for (let at = derived; at !== null; at = getPrototypeOf(at)) {
      if (at === base) return true;
      if (hasMember(proxies, at)) return base === ArrayOf; // which may say anything
    }
    return false;
  };

  // The process ends in QuickJS's own if there is no memory for the second of the two things that it makes. The prelude
  // takes that all the same, before there is a snippet: it is faster.
  const replaceBind = () => {
    replace(Function.prototype, {
      bind(self, ...first) {
        const target = this;
        if (typeof target !== "function") throw new TypeErrorOf("bind was called on what is no function");
        const bound = function (...rest) {
          const args = [];
          for (let i = 0; i < first.length; i++) push(args, first[i]);
          for (let i = 0; i < rest.length; i++) push(args, rest[i]);
          if (new.target === undefined) return apply(target, self, args);
          return construct(target, args, new.target === bound ? target : new.target);
        };
        const { length, name } = target;
        const left = typeof length === "number" && length > first.length ? length - first.length : 0;
        defineProperty(bound, "length", { __proto__: null, value: left, configurable: true });
        defineProperty(bound, "name", { __proto__: null, value: `bound ${typeof name === "string" ? name : ""}`, configurable: true });
        return bound;
      },
    });
  };

  const toObject = (value) => (value === null || value === undefined ? value : ObjectOf(value));

  return () => {
    replaceBind();
    replaceConstruct();
    return toObject;
  };
})()
