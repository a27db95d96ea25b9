// The functions of the WebAssembly module: src/wasm/abi.h, argument by argument. Pointers are numbers
// and come back signed; a status below 0 is a failure.
export interface ModuleExports {
  sluice_alloc(bytes: number): number;
  sluice_free(data: number): void;
  sluice_resize(data: number, bytes: number): number;
  sluice_hash_begin(): number;
  sluice_hash(state: number, data: number, bytes: number): void;
  sluice_hash_end(state: number, text: number): void;
  sluice_text_data(): number;
  sluice_text_size(): number;
  sluice_initialize(): void;
  sluice_thread_block(): number;
  sluice_configure(threads: number): number;
  sluice_open(model: number, bytes: number, options: number, optionsBytes: number): number;
  sluice_reopen(session: number, model: number, bytes: number, options: number, optionsBytes: number): number;
  sluice_model_held(session: number): number;
  sluice_close(session: number): void;
  sluice_feed(session: number, input: number, tensor: number, tensorBytes: number, data: number, bytes: number): number;
  sluice_cpu_bind(session: number): number;
  sluice_cpu_run(session: number): number;
  sluice_cpu_run_again(session: number): number;
  sluice_run_figures(session: number): number;
  sluice_gpu_adapter(session: number, adapter: number, adapterBytes: number): number;
  sluice_gpu_canary(session: number, part: number): number;
  sluice_gpu_canary_data(session: number, kind: number, index: number): number;
  sluice_gpu_canary_judge(session: number, output: number, data: number, bytes: number): number;
  sluice_gpu_canary_failed(session: number, part: number, why: number, whyBytes: number): number;
  sluice_gpu_canary_verdict(session: number, about: number, aboutBytes: number): number;
  sluice_gpu_prepare(session: number): number;
  sluice_gpu_constant(session: number, constant: number): number;
  sluice_gpu_input(session: number, input: number): number;
  sluice_gpu_island_input(session: number, step: number, index: number, data: number, bytes: number): number;
  sluice_gpu_island_run(session: number, step: number): number;
  sluice_gpu_island_output(session: number, step: number, index: number): number;
  sluice_gpu_output(session: number, output: number, data: number, bytes: number): number;
  sluice_gpu_finish(session: number, record: number, recordBytes: number): number;
  sluice_gpu_failover(session: number, why: number, whyBytes: number): number;
  sluice_note(session: number, json: number, bytes: number): number;
  sluice_binding(session: number): number;
  sluice_work_idly(session: number): number;
  sluice_otlp(session: number, resource: number, resourceBytes: number): number;
  sluice_cutout_prepare(
    session: number,
    manifest: number,
    manifestBytes: number,
    pixels: number,
    width: number,
    height: number,
  ): number;
  sluice_cutout_finish(session: number, options: number, optionsBytes: number): number;
  sluice_cutout_recolor(session: number, alpha: number, bytes: number): number;
}
