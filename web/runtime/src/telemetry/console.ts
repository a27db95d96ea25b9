// One console line for each event of a session, as `?debug=ep` asks for. The lines are the core's.
import type {Binding} from '../types.js';

export class ConsoleSink {
  private seen = 0;
  private line = '';

  constructor(
    private readonly print: (line: string) => void = line => {
      console.info(line);
    },
  ) {}

  /** Prints what is new in the record since the last call. */
  update(binding: Binding): void {
    for (const event of binding.events.slice(this.seen)) this.print(event);
    this.seen = Math.max(this.seen, binding.events.length);
    if (binding.console !== this.line) this.print(binding.console);
    this.line = binding.console;
  }
}
