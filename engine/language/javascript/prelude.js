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
//            N\n<line>…       to C: nothing is left that could settle the promise
//   <line>   P<json> or T<json with tags>: a result;  E<json>: a failure;  L[level, text]: a log line of the next result
//
// A tag is an object with the one key "\0"; its value is a list that begins with the kind:
//   i text: integer   n text: NaN or infinite   b base64: bytes   d ms: date   e …: error value   m object: holds "\0" itself
//
// A snippet may change whatever it can reach: Array.prototype, JSON, what an object inherits. So everything that is used
// here is taken before it runs, and what runs after it
//
// * puts text together, instead of lists and objects for JSON.stringify: to write `list[i]` may call a setter that Array
//   or Object has got meanwhile, and `toJSON` is looked for in every object;
// * writes nothing into an object but fields that it has, and makes no descriptors;
// * takes nothing apart by `[a, b] = …` or `...list`, which ask the list how to iterate;
// * gives handlers of proxies no prototype.
(settings) => {
  "use strict";

  const { parse, stringify } = JSON;
  const { isArray } = Array;
  const { getPrototypeOf, keys, freeze, defineProperty, hasOwn } = Object;
  const { apply, construct } = Reflect;
  const { now } = Date;
  const [toInteger, toFloat] = [parseInt, parseFloat];

  const bind = (f) => Function.prototype.call.bind(f);
  const then = bind(Promise.prototype.then);
  const resolve = Promise.resolve.bind(Promise);
  const indexOf = bind(String.prototype.indexOf);
  const slice = bind(String.prototype.slice);
  const mapHas = bind(WeakMap.prototype.has);
  const mapGet = bind(WeakMap.prototype.get);
  const mapSet = bind(WeakMap.prototype.set);
  const eachOfMap = bind(Map.prototype.forEach);
  const eachOfSet = bind(Set.prototype.forEach);
  const getTime = bind(Date.prototype.getTime);
  const toISOString = bind(Date.prototype.toISOString);
  const toBase64 = bind(Uint8Array.prototype.toBase64);
  const fromBase64 = Uint8Array.fromBase64.bind(Uint8Array);
  const isView = ArrayBuffer.isView.bind(ArrayBuffer);
  const ObjectPrototype = Object.prototype;
  const ArrayPrototype = Array.prototype;
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
      __proto__: null,
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
    guardMethod(Buffer.prototype, name, (self, args) => charge(args.length === 0 || args[0] === undefined ? 0 : NumberOf(args[0])));
  }
  const refuse = (size, what) => {
    if (size > BUDGET) throw new RangeErrorOf(`${what} exceeds the memory limit of ${BUDGET} bytes`);
  };
  guardMethod(Text.prototype, "repeat", (self, args) => refuse(self?.length * args[0], "a repeated string"));
  guardMethod(Text.prototype, "padStart", (self, args) => refuse(args[0], "a padded string"));
  guardMethod(Text.prototype, "padEnd", (self, args) => refuse(args[0], "a padded string"));
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
    message; // a field is defined, not set, so that no setter gets it
    code;
    causes;
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
  delete ErrorValue.prototype.constructor; // so that those of an argument are all that there are

  const reviveError = ({ index, text, message, code, causes }) => {
    for (let i = 0; i < causes.length; i++) causes[i] = reviveError(causes[i]);
    const error = new ErrorValue(text, message, code, causes);
    mapSet(known, error, index);
    knows = true;
    return error;
  };

  // ---------------------------------------------------------------- text

  const MOST_MESSAGE = 8 * 1024;
  const MOST_OF_A_CAUSE = 1024;
  const MOST_CAUSES = 8; // of a cause of a cause of …
  const MOST_STACK = 16 * 1024;
  const MOST_DIGITS = 4300; // of an integer: what Python reads, and what is written in no time
  const MOST_INTEGER = 10n ** BigIntOf(MOST_DIGITS);

  const isLong = (integer) => integer >= MOST_INTEGER || integer <= -MOST_INTEGER;

  const clip = (text, most) => (text.length > most ? `${slice(text, 0, most)}… ${text.length - most} more characters` : text);

  const quote = (value, most) => stringify(clip(Text(value), most));

  // The message stands at the beginning of a stack, and what tells the place at its end.
  const clipStack = (text) => {
    const end = text.length - (MOST_STACK * 3) / 4;
    return text.length > MOST_STACK ? `${clip(slice(text, 0, end), MOST_STACK / 4)} … ${slice(text, end, text.length)}` : text;
  };

  const errorTag = (error) => {
    if (mapHas(known, error)) return `["e",${mapGet(known, error)}]`;
    let causes = "";
    for (let i = 0; i < error.causes.length; i++) causes += (i > 0 ? "," : "") + errorTag(error.causes[i]);
    return `["e",null,${quote(error.message, MOST_MESSAGE)},${stringify(error.code)},[${causes}]]`;
  };

  const causesOf = (error, depth) => {
    const cause = error.cause;
    return cause instanceof ErrorOf && depth < MOST_CAUSES ? `[${thrownTag(cause, depth + 1)}]` : "[]";
  };

  const thrownTag = (error, depth) => {
    const message = Text(error.message) || Text(error.name);
    return `["e",null,${quote(message, depth === 0 ? MOST_MESSAGE : MOST_OF_A_CAUSE)},"expression",${causesOf(error, depth)}]`;
  };

  // ---------------------------------------------------------------- values

  const revive = (value) => {
    if (typeof value !== "object" || value === null) return value;
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) value[i] = revive(value[i]);
      return value;
    }
    if (!hasOwn(value, TAG)) return reviveFields(value);
    const content = value[TAG][1];
    switch (value[TAG][0]) {
      case "i": return BigIntOf(content);
      case "n": return NumberOf(content);
      case "b": return fromBase64(content);
      case "d": return new DateOf(content);
      case "e": return reviveError(content);
      default: return reviveFields(content);
    }
  };

  const reviveFields = (object) => {
    const names = keys(object);
    for (let i = 0; i < names.length; i++) object[names[i]] = revive(object[names[i]]);
    return object;
  };

  // ---------------------------------------------------------------- results

  // To read a result holds up the event loop, so its size has a limit: characters of JSON, and as many more for what is
  // dearer to make than its text is long. What is left of it while a result is looked at:
  let room = 0;

  const MOST_RESULT = settings.result;
  const DEAR = 16; // a list, a map
  const DEARER = 128; // what has a tag

  const take = (size) => {
    room -= size;
    if (room < 0) throw tooLarge("it counts as more than");
  };

  const tooLarge = (what) =>
    new RangeErrorOf(`the result is too large: ${what} the ${MOST_RESULT} characters of JSON that \`javascript.result\` allows`);

  // Whether JSON.stringify tells the whole truth about a value.
  const isPlain = (value) => {
    switch (typeof value) {
      case "string": take(value.length); return true;
      case "boolean": case "undefined": return true;
      case "number": return value - value === 0;
      case "object": break;
      default: return false;
    }
    if (value === null) return true;
    if (isArray(value)) {
      take(DEAR + 2 * value.length);
      for (let i = 0; i < value.length; i++) if (!isPlain(value[i])) return false;
      return true;
    }
    const prototype = getPrototypeOf(value);
    if (prototype !== ObjectPrototype && prototype !== null) return false;
    take(DEAR);
    for (const name in value) {
      take(name.length + 4);
      if (!isPlain(value[name])) return false;
    }
    return true;
  };

  const tagged = (content) => {
    take(DEARER);
    return `{"\\u0000":${content}}`;
  };

  const textOf = (text) => {
    take(text.length);
    return stringify(text);
  };

  const integerOf = (value) => {
    if (isLong(value)) refuseResult(`an integer of more than ${MOST_DIGITS} digits`, "");
    return tagged(`["i","${Text(value)}"]`);
  };

  const bytesOf = (value) => {
    take((value.byteLength * 4) / 3);
    return toBase64(value instanceof Buffer ? new Uint8(value) : new Uint8(value.buffer, value.byteOffset, value.byteLength));
  };

  const refuseResult = (what, hint) => {
    throw new TypeErrorOf(`${what} cannot be a result${hint}`);
  };

  // The JSON of a value, with tags. `above` is the chain of objects on the way down to it.
  const encode = (value, above) => {
    switch (typeof value) {
      case "undefined": return "null";
      case "string": return textOf(value);
      case "boolean": return value ? "true" : "false";
      case "number": return value - value === 0 ? Text(value) : tagged(`["n","${value}"]`);
      case "bigint": return integerOf(value);
      case "function": return refuseResult(value.name ? `the function '${value.name}'` : "a function", "");
      case "symbol": return refuseResult("a symbol", "");
    }
    if (value === null) return "null";
    if (ErrorValue.is(value)) return tagged(errorTag(value));
    for (let at = above; at !== null; at = at.above) if (at.value === value) throw new TypeErrorOf("the result refers to itself");
    return encodeObject(value, { value, above });
  };

  const encodeObject = (value, above) => {
    if (isArray(value)) return encodeItems(value, above);
    if (value instanceof DateOf) {
      const time = getTime(value);
      return time - time === 0 ? tagged(`["d",${time}]`) : refuseResult("an invalid Date", "");
    }
    if (value instanceof Uint8 || value instanceof Buffer || value instanceof View) return tagged(`["b","${bytesOf(value)}"]`);
    if (isView(value)) return encodeItems(value, above);
    if (value instanceof ErrorOf) return tagged(thrownTag(value, 0));
    if (value instanceof PromiseOf) return refuseResult("a promise inside", ": await it");
    if (value instanceof Pattern) return textOf(Text(value));
    if (value instanceof SetOf) return encodeSet(value, above);
    for (let i = 0; i < boxes.length; i++) if (value instanceof boxes[i]) return encode(value.valueOf(), above);
    if (typeof value.toJSON === "function") return encode(value.toJSON(), above);
    return value instanceof MapOf ? encodeMap(value, above) : encodeFields(value, above);
  };

  const encodeItems = (list, above) => {
    take(DEAR + 2 * list.length);
    let text = "";
    for (let i = 0; i < list.length; i++) text += (i > 0 ? "," : "") + encode(list[i], above);
    return `[${text}]`;
  };

  const encodeSet = (set, above) => {
    take(DEAR);
    let text = "";
    eachOfSet(set, (item) => {
      take(2);
      text += (text === "" ? "" : ",") + encode(item, above);
    });
    return `[${text}]`;
  };

  const encodeMap = (map, above) => {
    take(DEAR);
    let text = "";
    let hasTag = false;
    eachOfMap(map, (item, key) => {
      if (typeof key === "object" && key !== null) refuseResult("a Map whose keys are objects", "");
      const name = Text(key);
      hasTag ||= name === TAG;
      text += `${text === "" ? "" : ","}${textOf(name)}:${encode(item, above)}`;
    });
    return asMap(text, hasTag);
  };

  const encodeFields = (object, above) => {
    take(DEAR);
    let text = "";
    let hasTag = false;
    const names = keys(object);
    for (let i = 0; i < names.length; i++) {
      const item = object[names[i]];
      if (item === undefined) continue;
      hasTag ||= names[i] === TAG;
      text += `${text === "" ? "" : ","}${textOf(names[i])}:${encode(item, above)}`;
    }
    return asMap(text, hasTag);
  };

  const asMap = (text, hasTag) => (hasTag ? tagged(`["m",{${text}}]`) : `{${text}}`);

  const tooDeep = (error) => error instanceof RangeErrorOf && error.message === "Maximum call stack size exceeded";

  const answer = (value) => {
    let plain = false;
    room = MOST_RESULT;
    try {
      plain = isPlain(value) && !("toJSON" in ObjectPrototype) && !("toJSON" in ArrayPrototype);
    } catch (error) {
      if (!tooDeep(error)) throw error; // else it is deep, or it refers to itself: the other way tells which
    }
    room = MOST_RESULT;
    let line;
    try {
      line = plain ? "P" + (stringify(value) ?? "null") : "T" + encode(value, null);
    } catch (error) {
      throw tooDeep(error) ? new RangeErrorOf("the result is nested too deeply") : error;
    }
    if (line.length - 1 > MOST_RESULT) throw tooLarge(`${line.length - 1} of`);
    return line;
  };

  // ---------------------------------------------------------------- failures

  const describe = (error) => {
    if (typeof error === "object" && error !== null) {
      if (ErrorValue.is(error)) return `{"value":${errorTag(error)}}`;
      if (error instanceof ErrorOf || (typeof error.message === "string" && typeof error.stack === "string")) {
        const { name, message, stack } = error;
        const words = `"message":${quote(message, MOST_MESSAGE)},"name":${quote(name, MOST_OF_A_CAUSE)}`;
        const frames = typeof stack === "string" ? stringify(clipStack(stack)) : '""';
        return `{${words},"stack":${frames},"causes":${causesOf(error, 0)}}`;
      }
    }
    return `{"message":${quote(shownThrown(error), MOST_MESSAGE)}}`;
  };

  const shownThrown = (value) => {
    switch (typeof value) {
      case "bigint": return isLong(value) ? `an integer of more than ${MOST_DIGITS} digits` : value;
      case "object": return stringify(value) ?? value;
      default: return value;
    }
  };

  const failure = (error) => {
    try {
      return "E" + describe(error);
    } catch (inner) {
      if (ranOut(error) || ranOut(inner)) return 'E{"message":"out of memory","name":"InternalError"}';
      return 'E{"message":"something was thrown that cannot be shown"}';
    }
  };

  // Only QuickJS has such errors, and throws null if there is no memory for one.
  const { InternalError } = globalThis;
  const ranOut = (error) => {
    try {
      return InternalError !== undefined && (error === null || (error instanceof InternalError && error.message === "out of memory"));
    } catch {
      return false;
    }
  };

  // ---------------------------------------------------------------- console

  const MOST_LINES = 100;
  const MOST_TEXT = 8 * 1024;
  let lines = 0;

  const inspect = (value, depth) => {
    switch (typeof value) {
      case "string": return depth ? stringify(value) : value;
      case "function": return `[Function: ${value.name || "(anonymous)"}]`;
      case "bigint": return isLong(value) ? `[an integer of more than ${MOST_DIGITS} digits]` : `${value}n`;
      case "object": break;
      default: return Text(value);
    }
    if (value === null) return "null";
    if (ErrorValue.is(value)) return value.error();
    if (value instanceof ErrorOf) return Text(value.stack);
    if (value instanceof DateOf) return getTime(value) - getTime(value) === 0 ? toISOString(value) : "Invalid Date";
    if (value instanceof Pattern) return Text(value);
    if (depth > 4) return isArray(value) ? "[Array]" : "[Object]";
    let parts = "";
    const add = (part) => {
      parts += (parts === "" ? "" : ", ") + part;
    };
    if (isArray(value) || isView(value)) {
      const most = value.length > 100 ? 100 : value.length;
      for (let i = 0; i < most; i++) add(inspect(value[i], depth + 1));
      if (value.length > 100) add(`… ${value.length - 100} more`);
      return `[${parts}]`;
    }
    if (value instanceof MapOf) eachOfMap(value, (item, key) => add(`${inspect(key, depth + 1)} => ${inspect(item, depth + 1)}`));
    else if (value instanceof SetOf) eachOfSet(value, (item) => add(inspect(item, depth + 1)));
    else {
      const names = keys(value);
      for (let i = 0; i < names.length; i++) add(`${names[i]}: ${inspect(value[names[i]], depth + 1)}`);
    }
    const name = value.constructor?.name;
    const prefix = typeof name === "string" && name !== "Object" ? `${name} ` : "";
    return parts === "" ? `${prefix}{}` : `${prefix}{ ${parts} }`;
  };

  const asNumber = (value, convert) => {
    if (typeof value === "bigint") return inspect(value, 0);
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
    return { shown, used };
  };

  const print = (level) => (...values) => {
    if (!settings.log || ++lines > MOST_LINES) return;
    const formats = values.length > 1 && typeof values[0] === "string";
    const { shown, used } = formats ? format(values[0], values) : { shown: "", used: 0 };
    let text = shown;
    for (let i = used; i < values.length; i++) text += (i > 0 ? " " : "") + inspect(values[i], 0);
    put(`L["${level}",${quote(text, MOST_TEXT)}]`);
  };

  const closeLog = () => {
    if (lines > MOST_LINES) put(`L["warning","… ${lines - MOST_LINES} more lines of this call are left out"]`);
    lines = 0;
  };

  const levels = { log: "info", info: "info", warn: "warning", error: "error", debug: "debug", trace: "debug" };
  for (const name of keys(levels)) console[name] = print(levels[name]);

  // ---------------------------------------------------------------- calls

  const progress = new Int32Array(2); // batches begun; calls of this batch that have their line
  let enter = null; // the function that runs the module's top level
  let loaded = false;
  let main; // the default export
  let done = ""; // lines that are not reported yet, a newline before each
  let pending = null;

  const put = (line) => {
    done += "\n" + line;
  };

  const finish = (line) => {
    closeLog();
    put(line);
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
    try {
      if (knows) known = new WeakMapOf();
      knows = false;
      buffers = 0;
      const loading = loaded ? undefined : load();
      if (loaded) invoke(line);
      else wait(loading, line, true);
    } catch (error) {
      finish(failure(error));
    }
  };

  const run = (text) => {
    const end = now() + settings.slice;
    progress[1] = 0;
    for (let at = 1; at > 0; ) {
      const next = indexOf(text, "\n", at + 1);
      start(slice(text, at + 1, next < 0 ? text.length : next));
      if (pending !== null) return report("W");
      if (now() >= end) break;
      at = next;
    }
    return report("D");
  };

  const collect = () => {
    const { line, loading, state, value } = pending;
    pending = null;
    progress[1] = 0;
    if (state === 0) return report("N");
    try {
      if (state === 2) throw value;
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
    const text = status + done;
    done = "";
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
