// What runs inside every isolate before the snippet: the calls, their values, `console`, and the limits that the engine lacks.
//
// The script's value is a function of the settings; that one's value is `dispatch`, which is called with its text as
// `this` (a string crosses without being compiled). Text is lines: JSON never holds a bare newline.
//
//   to it    R\n<call>…       run these calls, one after another        <call>: P<json>, or T<json with tags>
//            C                collect the call that was waiting for a promise
//            S                salvage: the lines of a batch that was stopped
//            (a function)     take this as the module; its top level runs with the first call
//   from it  D\n<line>…       done; calls without a line were not begun and are to be sent again
//            W\n<line>…       as above, and the call after the last line waits for its promise
//   <line>   P<json> or T<json with tags>: a result;  E<json>: a failure;  L[level, text]: a log line of the next result
//
// A tag is an object with the one key "\0"; its value is a list that begins with the kind:
//   i text: integer   n text: NaN or infinite   b base64: bytes   d ms: date   e …: error value   m object: holds "\0" itself
//
// Everything that is used here is taken before the snippet runs, so that a snippet that changes Array.prototype or JSON
// harms itself alone.
(settings) => {
  "use strict";

  const { parse, stringify } = JSON;
  const { isArray, from: listOf } = Array;
  const { getPrototypeOf, keys, freeze, defineProperty, create, hasOwn } = Object;
  const { apply, construct, ownKeys } = Reflect;
  const { now } = Date;
  const [toInteger, toFloat] = [parseInt, parseFloat];

  const bind = (f) => Function.prototype.call.bind(f);
  const then = bind(Promise.prototype.then);
  const resolve = Promise.resolve.bind(Promise);
  const push = bind(Array.prototype.push);
  const join = bind(Array.prototype.join);
  const split = bind(String.prototype.split);
  const slice = bind(String.prototype.slice);
  const mapHas = bind(WeakMap.prototype.has);
  const mapGet = bind(WeakMap.prototype.get);
  const mapSet = bind(WeakMap.prototype.set);
  const eachOfMap = bind(Map.prototype.forEach);
  const eachOfSet = bind(Set.prototype.forEach);
  const getTime = bind(Date.prototype.getTime);
  const toBase64 = bind(Uint8Array.prototype.toBase64);
  const fromBase64 = Uint8Array.fromBase64.bind(Uint8Array);
  const isView = ArrayBuffer.isView.bind(ArrayBuffer);
  const ObjectPrototype = Object.prototype;
  const [BigIntOf, Text, NumberOf, DateOf, TypeErrorOf, RangeErrorOf, WeakMapOf, ErrorOf, PromiseOf, MapOf, SetOf] = [
    BigInt, String, Number, Date, TypeError, RangeError, WeakMap, Error, Promise, Map, Set,
  ];
  const [Uint8, Buffer, View, Pattern] = [Uint8Array, ArrayBuffer, DataView, RegExp];
  const boxes = [Number, String, Boolean, BigInt];
  const BUDGET = settings.memory;
  const TAG = "\0";

  // ---------------------------------------------------------------- limits

  // Memory outside the heap is not counted by the engine's limit, and a few functions of the language end the whole
  // process when they are asked for too much. Both are refused here, as errors that a snippet may catch.
  let buffers = 0;

  const charge = (bytes) => {
    if (!(bytes > 0)) return;
    buffers += bytes;
    if (buffers > BUDGET) throw new RangeErrorOf(`array buffers of one call exceed the memory limit of ${BUDGET} bytes`);
  };

  const sizeOf = (arg, options, unit) => {
    if (typeof arg === "object" && arg !== null) return arg instanceof Buffer ? 0 : NumberOf(arg.length ?? arg.size) * unit;
    const most = options === null || options === undefined ? 0 : NumberOf(options.maxByteLength);
    return (most > arg ? most : NumberOf(arg)) * unit;
  };

  const guardConstructor = (name) => {
    const Original = globalThis[name];
    if (Original === undefined) return;
    const unit = Original.BYTES_PER_ELEMENT ?? 1;
    const Guarded = new Proxy(Original, {
      construct(target, args, newTarget) {
        charge(sizeOf(args[0], args[1], unit));
        return construct(target, args, newTarget);
      },
    });
    defineProperty(Original.prototype, "constructor", { value: Guarded });
    defineProperty(globalThis, name, { value: Guarded });
  };

  const guardMethod = (owner, name, check) => {
    const original = owner[name];
    if (original === undefined) return;
    const guarded = {
      [name](...args) {
        check(this, args);
        return apply(original, this, args);
      },
    }[name];
    defineProperty(owner, name, { value: guarded });
  };

  const TypedArrays = "Int8 Uint8 Uint8Clamped Int16 Uint16 Int32 Uint32 BigInt64 BigUint64 Float16 Float32 Float64";
  for (const kind of TypedArrays.split(" ")) guardConstructor(kind + "Array");
  guardConstructor("ArrayBuffer");
  for (const name of ["toReversed", "toSorted", "with"]) {
    guardMethod(getPrototypeOf(Uint8Array.prototype), name, (self) => charge(self?.byteLength));
  }
  for (const name of ["transfer", "transferToFixedLength"]) {
    guardMethod(Buffer.prototype, name, (self, [length]) => charge(length === undefined ? 0 : NumberOf(length)));
  }
  const refuse = (size, what) => {
    if (size > BUDGET) throw new RangeErrorOf(`${what} exceeds the memory limit of ${BUDGET} bytes`);
  };
  guardMethod(Text.prototype, "repeat", (self, [count]) => refuse(self?.length * count, "a repeated string"));
  guardMethod(Text.prototype, "padStart", (self, [length]) => refuse(length, "a padded string"));
  guardMethod(Text.prototype, "padEnd", (self, [length]) => refuse(length, "a padded string"));
  guardMethod(Text.prototype, "split", (self) => refuse(self?.length, "a string to split"));
  for (const name of ["replace", "replaceAll", "match", "matchAll"]) {
    guardMethod(Text.prototype, name, (self) => refuse(self?.length, "a string to search"));
  }
  for (const name of ["fill", "sort", "reverse"]) {
    guardMethod(Array.prototype, name, (self) => refuse(self?.length * 4, "an array to work on"));
  }

  // Shared memory could block the thread, WebAssembly has memory of its own.
  delete globalThis.SharedArrayBuffer;
  delete globalThis.Atomics;
  delete globalThis.WebAssembly;

  // ---------------------------------------------------------------- error values

  let known = new WeakMapOf(); // error values of this call's argument -> their index
  let knows = false; // whether there are any

  class ErrorValue {
    #text;
    constructor(text, message, code, causes) {
      this.#text = text;
      this.message = message;
      this.code = code;
      this.causes = freeze(causes);
      freeze(this);
    }
    error() {
      return this.#text;
    }
    toString() {
      return this.#text;
    }
    static is(value) {
      return #text in value;
    }
  }

  const reviveError = ({ index, text, message, code, causes }) => {
    const list = [];
    for (let i = 0; i < causes.length; i++) list[i] = reviveError(causes[i]);
    const error = new ErrorValue(text, message, code, list);
    mapSet(known, error, index);
    knows = true;
    return error;
  };

  const errorTag = (error) => {
    if (mapHas(known, error)) return ["e", mapGet(known, error)];
    const causes = [];
    for (let i = 0; i < error.causes.length; i++) causes[i] = errorTag(error.causes[i]);
    return ["e", null, error.message, error.code, causes];
  };

  const thrownTag = (error, depth = 0) => {
    const causes = error.cause instanceof ErrorOf && depth < 8 ? [thrownTag(error.cause, depth + 1)] : [];
    return ["e", null, Text(error.message) || Text(error.name), "expression", causes];
  };

  // ---------------------------------------------------------------- values

  const revive = (value) => {
    if (typeof value !== "object" || value === null) return value;
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) value[i] = revive(value[i]);
      return value;
    }
    if (!hasOwn(value, TAG)) return reviveFields(value);
    const [kind, content] = value[TAG];
    switch (kind) {
      case "i": return BigIntOf(content);
      case "n": return NumberOf(content);
      case "b": return fromBase64(content);
      case "d": return new DateOf(content);
      case "e": return reviveError(content);
      default: return reviveFields(content);
    }
  };

  const setField = (object, name, value) => {
    if (name === "__proto__") defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
    else object[name] = value;
  };

  const reviveFields = (object) => {
    const names = keys(object);
    for (let i = 0; i < names.length; i++) setField(object, names[i], revive(object[names[i]]));
    return object;
  };

  // Whether JSON.stringify tells the whole truth about a value.
  const isPlain = (value) => {
    switch (typeof value) {
      case "string": case "boolean": case "undefined": return true;
      case "number": return value - value === 0;
      case "object": break;
      default: return false;
    }
    if (value === null) return true;
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) if (!isPlain(value[i])) return false;
      return true;
    }
    const prototype = getPrototypeOf(value);
    if (prototype !== ObjectPrototype && prototype !== null) return false;
    for (const name in value) if (!isPlain(value[name])) return false;
    return true;
  };

  const tagged = (content) => ({ [TAG]: content });

  const bytesOf = (value) => {
    if (value instanceof Buffer) return toBase64(new Uint8(value));
    return toBase64(new Uint8(value.buffer, value.byteOffset, value.byteLength));
  };

  const refuseResult = (what, hint) => {
    throw new TypeErrorOf(`${what} cannot be a result${hint}`);
  };

  // A value as a tree that JSON.stringify tells whole. `above` holds the objects on the way down to it.
  const encode = (value, above) => {
    switch (typeof value) {
      case "undefined": return null;
      case "string": case "boolean": return value;
      case "number": return value - value === 0 ? value : tagged(["n", Text(value)]);
      case "bigint": return tagged(["i", Text(value)]);
      case "function": return refuseResult(value.name ? `the function '${value.name}'` : "a function", "");
      case "symbol": return refuseResult("a symbol", "");
    }
    if (value === null) return null;
    if (ErrorValue.is(value)) return tagged(errorTag(value));
    for (let i = 0; i < above.length; i++) if (above[i] === value) throw new TypeErrorOf("the result refers to itself");
    above[above.length] = value;
    const tree = encodeObject(value, above);
    above.length--;
    return tree;
  };

  const encodeObject = (value, above) => {
    const list = [];
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) list[i] = encode(value[i], above);
      return list;
    }
    if (value instanceof DateOf) {
      const time = getTime(value);
      return time - time === 0 ? tagged(["d", time]) : refuseResult("an invalid Date", "");
    }
    if (value instanceof Uint8 || value instanceof Buffer || value instanceof View) return tagged(["b", bytesOf(value)]);
    if (isView(value)) {
      for (let i = 0; i < value.length; i++) list[i] = encode(value[i], above);
      return list;
    }
    if (value instanceof ErrorOf) return tagged(thrownTag(value));
    if (value instanceof PromiseOf) return refuseResult("a promise inside", ": await it");
    if (value instanceof Pattern) return Text(value);
    if (value instanceof SetOf) {
      eachOfSet(value, (item) => push(list, encode(item, above)));
      return list;
    }
    for (let i = 0; i < boxes.length; i++) if (value instanceof boxes[i]) return encode(value.valueOf(), above);
    if (typeof value.toJSON === "function") return encode(value.toJSON(), above);
    const object = create(null);
    if (value instanceof MapOf) {
      eachOfMap(value, (item, key) => {
        if (typeof key === "object" && key !== null) refuseResult("a Map whose keys are objects", "");
        object[Text(key)] = encode(item, above);
      });
    } else {
      const names = keys(value);
      for (let i = 0; i < names.length; i++) {
        const item = value[names[i]];
        if (item !== undefined) object[names[i]] = encode(item, above);
      }
    }
    return hasOwn(object, TAG) ? tagged(["m", object]) : object;
  };

  const tooDeep = (error) => error instanceof RangeErrorOf && error.message === "Maximum call stack size exceeded";

  const answer = (value) => {
    let plain = false;
    try {
      plain = isPlain(value) && !("toJSON" in ObjectPrototype);
    } catch (error) {
      if (!tooDeep(error)) throw error; // else it is deep, or it refers to itself: the other way tells which
    }
    try {
      if (plain) return "P" + (stringify(value) ?? "null");
      return "T" + stringify(encode(value, []));
    } catch (error) {
      throw tooDeep(error) ? new RangeErrorOf("the result is nested too deeply") : error;
    }
  };

  const describe = (error) => {
    if (typeof error === "object" && error !== null) {
      if (ErrorValue.is(error)) return { value: errorTag(error) };
      if (error instanceof ErrorOf || (typeof error.message === "string" && typeof error.stack === "string")) {
        const { name, message, stack, cause } = error;
        return {
          message: Text(message), name: Text(name), stack: Text(stack),
          causes: cause instanceof ErrorOf ? [thrownTag(cause)] : [],
        };
      }
    }
    if (typeof error === "string") return { message: error };
    return { message: stringify(error) ?? Text(error) };
  };

  const failure = (error) => {
    try {
      return "E" + stringify(describe(error));
    } catch {
      return "E" + stringify({ message: "something was thrown that cannot be shown" });
    }
  };

  // ---------------------------------------------------------------- console

  const MOST_LINES = 100;
  const MOST_TEXT = 8192;
  let lines = 0;

  const inspect = (value, depth) => {
    switch (typeof value) {
      case "string": return depth ? stringify(value) : value;
      case "function": return `[Function: ${value.name || "(anonymous)"}]`;
      case "bigint": return `${value}n`;
      case "object": break;
      default: return Text(value);
    }
    if (value === null) return "null";
    if (ErrorValue.is(value)) return value.error();
    if (value instanceof ErrorOf) return Text(value.stack);
    if (value instanceof DateOf) return getTime(value) - getTime(value) === 0 ? value.toISOString() : "Invalid Date";
    if (value instanceof Pattern) return Text(value);
    if (depth > 4) return isArray(value) ? "[Array]" : "[Object]";
    const parts = [];
    if (isArray(value) || isView(value)) {
      const most = value.length > 100 ? 100 : value.length;
      for (let i = 0; i < most; i++) parts[i] = inspect(value[i], depth + 1);
      if (value.length > 100) push(parts, `… ${value.length - 100} more`);
      return `[${join(parts, ", ")}]`;
    }
    if (value instanceof MapOf) eachOfMap(value, (item, key) => push(parts, `${inspect(key, depth + 1)} => ${inspect(item, depth + 1)}`));
    else if (value instanceof SetOf) eachOfSet(value, (item) => push(parts, inspect(item, depth + 1)));
    else {
      const names = keys(value);
      for (let i = 0; i < names.length; i++) parts[i] = `${names[i]}: ${inspect(value[names[i]], depth + 1)}`;
    }
    const name = value.constructor?.name;
    const prefix = typeof name === "string" && name !== "Object" ? `${name} ` : "";
    return parts.length ? `${prefix}{ ${join(parts, ", ")} }` : `${prefix}{}`;
  };

  const asNumber = (value, convert) => {
    if (typeof value === "bigint") return `${value}n`;
    return Text(typeof value === "object" || typeof value === "symbol" ? NaN : convert(value));
  };

  const asJson = (value) => {
    try {
      return Text(stringify(value));
    } catch {
      return "[Circular]";
    }
  };

  // One of printf's directives; undefined for what is none.
  const directive = (letter, value) => {
    switch (letter) {
      case "s": return inspect(value, 0);
      case "d": return asNumber(value, NumberOf);
      case "i": return asNumber(value, toInteger);
      case "f": return asNumber(value, toFloat);
      case "j": return asJson(value);
      case "o": case "O": return inspect(value, 1);
      case "c": return "";
      default: return undefined;
    }
  };

  // Puts values in the place of the directives of a text; tells how many it used.
  const format = (text, values) => {
    let shown = "";
    let used = 1;
    for (let i = 0; i < text.length; i++) {
      const following = text[i] === "%" ? text[i + 1] : undefined;
      const put = following === "%" ? "%" : used < values.length ? directive(following, values[used]) : undefined;
      if (put === undefined) shown += text[i];
      else {
        shown += put;
        i++;
        if (following !== "%") used++;
      }
    }
    return [shown, used];
  };

  const print = (level) => (...values) => {
    if (!settings.log || ++lines > MOST_LINES) return;
    const parts = [];
    let first = 0;
    if (values.length > 1 && typeof values[0] === "string") [parts[0], first] = format(values[0], values);
    for (let i = first; i < values.length; i++) push(parts, inspect(values[i], 0));
    const text = join(parts, " ");
    const shown = text.length > MOST_TEXT ? `${slice(text, 0, MOST_TEXT)}… ${text.length - MOST_TEXT} more characters` : text;
    push(done, "L" + stringify([level, shown]));
  };

  const closeLog = () => {
    if (lines > MOST_LINES) push(done, "L" + stringify(["warning", `… ${lines - MOST_LINES} more lines of this call are left out`]));
    lines = 0;
  };

  const levels = { log: "info", info: "info", warn: "warning", error: "error", debug: "debug", trace: "debug" };
  for (const name of keys(levels)) console[name] = print(levels[name]);

  // ---------------------------------------------------------------- calls

  const progress = new Int32Array(2); // batches begun; calls of this batch that have their line
  let enter = null; // the function that runs the module's top level
  let loaded = false;
  let main; // the default export
  let done = [];
  let pending = null;

  const finish = (line) => {
    closeLog();
    push(done, line);
    progress[1]++;
  };

  const isThenable = (value) =>
    (typeof value === "object" || typeof value === "function") && value !== null && typeof value.then === "function";

  const wait = (promise, line, loading) => {
    const mine = { line, loading, state: 0, value: undefined };
    then(
      resolve(promise),
      (value) => { mine.state = 1; mine.value = value; },
      (error) => { mine.state = 2; mine.value = error; },
    );
    pending = mine;
  };

  const invoke = (line) => {
    const text = slice(line, 1);
    const argument = parse(text);
    const value = typeof main === "function" ? main(line[0] === "T" ? revive(argument) : argument) : main;
    if (isThenable(value)) wait(value, line, false);
    else finish(answer(value));
  };

  const load = () => {
    if (!settings.common) return enter();
    const module = { exports: {} };
    const original = module.exports;
    enter(module, original);
    if (module.exports !== original) main = module.exports;
    else if (hasOwn(original, "default")) main = original.default;
    else throw new TypeErrorOf("the module did not set module.exports");
    loaded = true;
    return undefined;
  };

  const start = (line) => {
    if (knows) known = new WeakMapOf();
    knows = false;
    buffers = 0;
    try {
      const loading = loaded ? undefined : load();
      if (loaded) invoke(line);
      else wait(loading, line, true);
    } catch (error) {
      finish(failure(error));
    }
  };

  const run = (text) => {
    const calls = split(text, "\n");
    const end = now() + settings.slice;
    progress[1] = 0;
    for (let i = 1; i < calls.length; i++) {
      if (i > 1 && now() >= end) break;
      start(calls[i]);
      if (pending !== null) return report("W");
    }
    return report("D");
  };

  const collect = () => {
    const { line, loading, state, value } = pending;
    pending = null;
    progress[1] = 0;
    try {
      if (state === 2) throw value;
      if (state === 0) throw new ErrorOf("the promise never settles: nothing is left that could settle it");
      if (loading) {
        main = value[0];
        loaded = true;
        invoke(line);
      } else finish(answer(value));
    } catch (error) {
      finish(failure(error));
    }
    return report(pending === null ? "D" : "W");
  };

  // What is printed after this, by what is left of a promise, goes with the next report.
  const report = (status) => {
    const text = done.length === 0 ? status : `${status}\n${join(done, "\n")}`;
    done = [];
    return text;
  };

  const dispatch = function () {
    if (typeof this === "function") {
      enter = this;
      return "D";
    }
    if (this === "S") return report("D");
    progress[0]++;
    return this === "C" ? collect() : run(this);
  };

  return [dispatch, progress.buffer];
}
