// TypeScript -> JavaScript with sucrase, and where each piece of the result comes from. `build.sh` bundles this file.
//
// sucrase takes types out token by token and believes that what it reads is valid. What it would drop or garble without
// a word is refused or mended here: namespaces, decorators, `import x = …`, malformed enums, and line ends that mean
// something else once a type is gone.

import {HelperManager} from "sucrase/dist/esm/HelperManager.js";
import NameManager from "sucrase/dist/esm/NameManager.js";
import TokenProcessor from "sucrase/dist/esm/TokenProcessor.js";
import identifyShadowedGlobals from "sucrase/dist/esm/identifyShadowedGlobals.js";
import {parse} from "sucrase/dist/esm/parser/index.js";
import {ContextualKeyword as words} from "sucrase/dist/esm/parser/tokenizer/keywords.js";
import {TokenType as types} from "sucrase/dist/esm/parser/tokenizer/types.js";
import RootTransformer from "sucrase/dist/esm/transformers/RootTransformer.js";
import getTSImportedNames from "sucrase/dist/esm/util/getTSImportedNames.js";

import {begin, mostLikely} from "./attempts.js";

const OPTIONS = {transforms: ["typescript"], disableESTransforms: true};
const LINE_END = /[\n\r\u2028\u2029]/;
const NAME_OR_STRING = /[\p{ID_Start}$_\\"']/u;
const DECLARATION_WORDS = new Set([words._type, words._interface, words._namespace, words._module, words._declare]);
const MODIFIERS = new Set([types._declare, types._abstract, types._import, types._export]);
const CONTINUES = new Set([types.parenL, types.bracketL, types.backQuote, types.star]);

class Refusal extends Error {
  constructor(message, at, hint) {
    super(message);
    Object.assign(this, {at, hint});
  }
}

/** What sucrase's own transformer does, and a `;` where the types that it removes kept two statements apart. */
class Eraser extends RootTransformer {
  processPossibleTypeRange() {
    const first = this.tokens.currentIndex();
    if (!super.processPossibleTypeRange()) return false;
    if (endsStatement(this.tokens.code, this.tokens.tokens, first, this.tokens.currentIndex())) {
      this.tokens.appendCode(";");
    }
    return true;
  }
}

/** Whether the tokens from `first` on, which are removed, end a statement that the token at `next` would continue. */
function endsStatement(code, tokens, first, next) {
  if (!LINE_END.test(code.slice(tokens[next - 1].end, tokens[next].start))) return false;
  const {type, contextualKeyword} = tokens[first];
  const continues = tokens[next].type !== types.star && CONTINUES.has(tokens[next].type);
  if (contextualKeyword === words._as || contextualKeyword === words._satisfies) return continues;
  const begins = MODIFIERS.has(type) || type === types._function || DECLARATION_WORDS.has(contextualKeyword) ||
    // a signature in a class, or of an overload
    ((type === types.name || type === types._static || type === types.bracketL) && first > 0 && startsLine(code, tokens, first));
  return begins && (continues || [types.star, types.slash, types.plus, types.minus, types.regexp].includes(tokens[next].type));
}

function startsLine(code, tokens, index) {
  return LINE_END.test(code.slice(index ? tokens[index - 1].end : 0, tokens[index].start));
}

/** Refuses, with its place, what sucrase accepts and does not translate. */
function check(code, tokens) {
  let depth = 0; // of braces within a run of removed tokens
  const is = (index, ...expected) => expected.includes(tokens[index]?.type);
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    if (token.type === types.at) {
      throw new Refusal("decorators are not available", token.start, "call the function on the class or its member yourself");
    }
    if (!token.isType) {
      depth = 0;
      if (token.type === types._enum) checkEnum(code, tokens, i);
      if (token.type === types._import && is(i + 1, types.name) && is(i + 2, types.eq)) {
        throw new Refusal("import is not available: a snippet is one module alone", token.start);
      }
      continue;
    }
    if (is(i, types.braceL, types.dollarBraceL)) depth++;
    if (is(i, types.braceR)) depth--;
    if (!depth && (token.contextualKeyword === words._namespace || token.contextualKeyword === words._module) &&
        is(i + 1, types.name, types.string) && !is(i - 1, types._declare, types.dot, types.colon) && opensBlock(tokens, i + 1)) {
      throw new Refusal(
        "namespaces are not available", token.start, "use functions and constants, or `declare namespace` for types alone",
      );
    }
    const before = tokens[i - 1];
    if (token.type === types.lessThan && before && !before.isType && is(i - 1, types._return, types._throw, types._yield)) {
      let end = i;
      while (tokens[end].isType) end++;
      if (LINE_END.test(code.slice(token.start, tokens[end].start))) {
        throw new Refusal(`a line ends after \`${code.slice(before.start, before.end)}\` and a type`, token.start,
          "write what is behind the type on the line on which the type begins");
      }
    }
  }
}

/** Refuses a line that would continue the one before a removed `declare x: T`, `abstract x: T` or `import type …`. */
function checkLineEnds(code, tokens, {code: result, mappings}) {
  const isGone = (i) => mappings[i] === undefined || !result.startsWith(code.slice(tokens[i].start, tokens[i].end), mappings[i]);
  for (let i = 1; i < tokens.length; i++) {
    if (!CONTINUES.has(tokens[i].type) || !startsLine(code, tokens, i) || !isGone(i - 1)) continue;
    let first = i - 1;
    while (first && isGone(first - 1)) first--;
    if (!first || !MODIFIERS.has(tokens[first].type) || /[;{]\s*$/.test(result.slice(0, mappings[i]))) continue;
    throw new Refusal("this line would continue the one before what is removed", tokens[i].start, "begin the line with a `;`");
  }
}

function opensBlock(tokens, index) {
  while (tokens[index + 1]?.type === types.dot) index += 2;
  return tokens[index + 1]?.type === types.braceL;
}

function checkEnum(code, tokens, index) {
  if (tokens[index + 2]?.type !== types.braceL) throw new Refusal("an enum needs a name and members", tokens[index].start);
  let at = index + 3;
  while (tokens[at].type !== types.braceR) {
    if (!NAME_OR_STRING.test(code[tokens[at].start])) {
      throw new Refusal("a member of an enum needs a name or a string", tokens[at].start);
    }
    at++;
    if (tokens[at].type === types.eq) at = tokens[at].rhsEndIndex;
    if (tokens[at].type === types.comma) at++;
    else if (tokens[at].type !== types.braceR) {
      throw new Refusal("a `,` or `}` is missing in an enum", tokens[at].start);
    }
  }
}

function read(code) {
  begin();
  try {
    return parse(code, false, true, false);
  } catch (error) {
    throw mostLikely(error);
  }
}

function erase(code) {
  const {tokens, scopes} = read(code);
  check(code, tokens.slice(0, -1));
  const names = new NameManager(code, tokens);
  const helpers = new HelperManager(names);
  const processor = new TokenProcessor(code, tokens, false, true, helpers);
  identifyShadowedGlobals(processor, scopes, getTSImportedNames(processor));
  const context = {tokenProcessor: processor, scopes, nameManager: names, importProcessor: null, helperManager: helpers};
  let result;
  try {
    result = new Eraser(context, OPTIONS.transforms, false, OPTIONS).transform();
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw new Refusal(error.message.replace(/\.$/, ""), processor.currentToken()?.start ?? 0);
  }
  checkLineEnds(code, tokens, result);
  return {tokens, ...result};
}

/** `[place in the result, place in the source]` wherever the distance between the two changes; in that order. */
function segments(tokens, mappings) {
  const found = [[0, 0]];
  for (let i = 0; i < tokens.length; i++) {
    const at = mappings[i];
    if (at === undefined) continue;
    const last = found[found.length - 1];
    if (at - last[0] === tokens[i].start - last[1]) continue;
    if (at === last[0]) found.pop();
    found.push([at, tokens[i].start]);
  }
  return found;
}

/** A function from an offset in UTF-16 units to one in characters. Offsets must be asked for in rising order. */
function characters(text) {
  if (!/[\ud800-\udbff]/.test(text)) return (offset) => offset;
  let at = 0, pairs = 0;
  return (offset) => {
    for (; at < offset; at++) {
      const unit = text.charCodeAt(at);
      if (unit >= 0xd800 && unit < 0xdc00) pairs++;
    }
    return offset - pairs;
  };
}

/** Called with the source as `this`; the answer is JSON: `{code, segments}`, or `{error, at, hint}`. */
export function translate() {
  const source = String(this);
  try {
    const {code, mappings, tokens} = erase(source);
    const inCode = characters(code), inSource = characters(source);
    return JSON.stringify({code, segments: segments(tokens, mappings).map(([a, b]) => [inCode(a), inSource(b)])});
  } catch (error) {
    if (error instanceof RangeError) return JSON.stringify({error: "the code is nested too deeply", at: null, hint: null});
    const at = error.at;
    return JSON.stringify({
      error: error.message.replace(/ \(\d+:\d+\)$/, ""),
      at: at === undefined ? null : characters(source)(at),
      hint: error.hint ?? null,
    });
  }
}
