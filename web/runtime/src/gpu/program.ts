// Program: an encoded program (src/plan/opcodes.def) as objects that the walker can use. The core made it,
// so only what would be misread is checked: magic, version, lengths, unknown instructions.
import {SluiceError} from '../errors.js';
import type {EncodedProgram} from '../core/answers.js';
import {Opcode, absent, programHeaderWords, programMagic, programVersion} from '../generated/opcodes.js';
import type {PipelineSpec} from './pipelines.js';

/** A range of one of the program's buffers. */
export interface Range {
  readonly buffer: number;
  readonly offset: number;
  readonly bytes: number;
}

export interface Dispatch {
  readonly kind: 'dispatch';
  readonly pipeline: number;
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** null: no uniform block. */
  readonly uniform: {readonly offset: number; readonly bytes: number} | null;
  readonly costBytes: number;
  readonly costFlop: number;
  readonly bindings: readonly Range[];
}

export interface IndexedRange extends Range {
  readonly index: number;
}

export type Instruction =
  | Dispatch
  | ({readonly kind: 'input'; readonly index: number} & Range)
  | ({readonly kind: 'output'; readonly index: number} & Range)
  | ({readonly kind: 'fill'; readonly word: number} & Range)
  | {readonly kind: 'step'; readonly step: number; readonly op: string; readonly node: string}
  | {
      readonly kind: 'island';
      readonly step: number;
      readonly inputs: readonly IndexedRange[];
      readonly outputs: readonly IndexedRange[];
    };

export interface Program {
  readonly buffers: readonly {readonly bytes: number; readonly weights: boolean}[];
  readonly pipelines: readonly PipelineSpec[];
  readonly constants: readonly ({readonly constant: number} & Range)[];
  readonly uniforms: Uint32Array;
  readonly sentinel: {readonly pipeline: number; readonly uniformOffset: number; readonly buffer: number} | null;
  /** What each run repeats; null: the sizes are not known yet. */
  readonly body: readonly Instruction[] | null;
}

function wrong(what: string): SluiceError {
  return new SluiceError('internal', `The encoded program is not understood (${what})`);
}

// The operands of one instruction, taken one after another.
class Operands {
  constructor(
    private readonly words: Uint32Array,
    private at: number,
    private readonly end: number,
  ) {}
  get left(): number {
    return this.end - this.at;
  }
  next(): number {
    const word = this.words[this.at];
    if (word === undefined || this.at >= this.end) throw wrong(`an instruction ends at word ${this.end}`);
    ++this.at;
    return word;
  }
  range(): Range {
    return {buffer: this.next(), offset: this.next(), bytes: this.next()};
  }
  rest(): Uint32Array {
    const rest = this.words.subarray(this.at, this.end);
    this.at = this.end;
    return rest;
  }
}

export function decodeProgram({words, strings}: EncodedProgram): Program {
  if (words[0] !== programMagic) throw wrong(`it begins with ${words[0]}`);
  if (words[1] !== programVersion) throw wrong(`version ${words[1]}, ${programVersion} is known`);
  if (words[2] !== words.length) throw wrong(`${words.length} words, ${words[2]} announced`);
  const text = (index: number) => {
    const found = strings[index];
    if (found === undefined) throw wrong(`string ${index} of ${strings.length}`);
    return found;
  };
  const buffers: {bytes: number; weights: boolean}[] = [];
  const pipelines: PipelineSpec[] = [];
  const constants: ({constant: number} & Range)[] = [];
  let uniforms: Uint32Array = new Uint32Array(0);
  let sentinel: Program['sentinel'] = null;
  let body: Instruction[] | null = null;

  for (let at: number = programHeaderWords; at < words.length;) {
    const head = words[at] ?? 0;
    const opcode = head & 0xff;
    const end = at + 1 + (head >>> 8);
    if (end > words.length) throw wrong(`instruction ${opcode} runs past the end`);
    const operands = new Operands(words, at + 1, end);
    at = end;
    switch (opcode) {
      case Opcode.Buffer:
        buffers.push({bytes: operands.next(), weights: operands.next() === 1});
        break;
      case Opcode.Pipeline:
        pipelines.push({
          label: text(operands.next()),
          wgsl: text(operands.next()),
          uniform: operands.next() === 1,
          bindings: operands.next(),
          writableMask: operands.next(),
        });
        break;
      case Opcode.Constant:
        constants.push({constant: operands.next(), ...operands.range()});
        break;
      case Opcode.Uniforms:
        uniforms = operands.rest().slice();
        break;
      case Opcode.Sentinel:
        sentinel = {pipeline: operands.next(), uniformOffset: operands.next(), buffer: operands.next()};
        break;
      case Opcode.Begin:
        body = [];
        break;
      default:
        if (!body) throw wrong(`instruction ${opcode} before Begin`);
        body.push(instruction(opcode, operands, text));
    }
  }
  return {buffers, pipelines, constants, uniforms, sentinel, body};
}

function instruction(opcode: number, operands: Operands, text: (index: number) => string): Instruction {
  switch (opcode) {
    case Opcode.Input:
      return {kind: 'input', index: operands.next(), ...operands.range()};
    case Opcode.Output:
      return {kind: 'output', index: operands.next(), ...operands.range()};
    case Opcode.Fill:
      return {kind: 'fill', word: operands.next(), ...operands.range()};
    case Opcode.Step:
      return {kind: 'step', step: operands.next(), op: text(operands.next()), node: text(operands.next())};
    case Opcode.Dispatch: {
      const pipeline = operands.next();
      const [x, y, z] = [operands.next(), operands.next(), operands.next()];
      const [offset, bytes] = [operands.next(), operands.next()];
      const [costBytes, costKflop] = [operands.next(), operands.next()];
      const bindings: Range[] = [];
      while (operands.left > 0) bindings.push(operands.range());
      const uniform = offset === absent ? null : {offset, bytes};
      return {kind: 'dispatch', pipeline, x, y, z, uniform, costBytes, costFlop: costKflop * 1000, bindings};
    }
    case Opcode.Island: {
      const step = operands.next();
      const [inputs, outputs] = [operands.next(), operands.next()];
      const ranges = (count: number) =>
        Array.from({length: count}, () => ({index: operands.next(), ...operands.range()}));
      return {kind: 'island', step, inputs: ranges(inputs), outputs: ranges(outputs)};
    }
    default:
      throw wrong(`instruction ${opcode}`);
  }
}
