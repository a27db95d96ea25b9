// The record of a batch: the same members as the command line's `cutout --json`, with what only a
// browser knows (the Binding) beside them.

/** Of each phase; the unit is its owner's. */
export interface CutTimes {
  readonly decode: number;
  readonly prepare: number;
  readonly run: number;
  readonly refine: number;
  readonly encode: number;
}

export interface PictureRecord {
  readonly input: string;
  readonly status: 'done' | 'failed' | 'cancelled';
  readonly output?: string;
  readonly error?: string;
  readonly width?: number;
  readonly height?: number;
  /** Backend that this picture's result came from. */
  readonly bound?: string;
  readonly edited?: boolean;
  readonly micros?: CutTimes;
}

export interface RecordFacts {
  readonly model: string;
  readonly file: string;
  readonly licence: string;
  readonly binding: Readonly<Record<string, unknown>> | null;
}

export function recordJson(facts: RecordFacts, pictures: readonly PictureRecord[]): string {
  const ms = (micros: number): number => micros / 1e3;
  const binding = facts.binding ?? {};
  const images = pictures.map(({micros, ...rest}) => {
    if (!micros) return rest;
    const {decode, prepare, run, refine, encode} = micros;
    return {
      ...rest,
      milliseconds: {
        decode: ms(decode),
        prepare: ms(prepare),
        run: ms(run),
        refine: ms(refine),
        encode: ms(encode),
        total: ms(decode + prepare + run + refine + encode),
      },
    };
  });
  return `${JSON.stringify(
    {
      model: facts.model,
      file: facts.file,
      licence: facts.licence,
      requested: binding['requested'],
      bound: binding['bound'],
      reason: binding['reason'],
      model_sha256: binding['model_sha256'],
      images,
      binding: facts.binding,
    },
    null,
    2,
  )}\n`;
}
