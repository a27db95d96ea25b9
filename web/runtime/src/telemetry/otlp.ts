// Posts a session's record to an OpenTelemetry collector (OTLP/HTTP, JSON), if the caller named one. The
// bodies are the core's. It never fails a job: what can't be delivered is one warning.
import type {CoreApi} from '../core/core.js';
import {messageOf} from '../errors.js';

export interface OtlpOptions {
  readonly endpoint: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 2000;
// Browsers keep at most 64 KiB of requests alive beyond the page.
const KEEPALIVE_BYTES = 60_000;

export class OtlpSink {
  private warned = false;

  constructor(
    private readonly core: Pick<CoreApi, 'otlp'>,
    private readonly session: number,
    private readonly options: OtlpOptions,
    private readonly post: typeof fetch = (...args) => fetch(...args),
  ) {}

  /** Posts the record as it is now; resolves when it is delivered or given up. */
  async send(): Promise<void> {
    try {
      const {metrics, logs} = this.core.otlp(this.session, {attributes: {'service.name': 'sluice-web'}});
      await Promise.all([this.deliver('v1/metrics', metrics), this.deliver('v1/logs', logs)]);
    } catch (thrown) {
      this.warn(messageOf(thrown));
    }
  }

  private async deliver(path: string, body: object): Promise<void> {
    const text = JSON.stringify(body);
    const {endpoint, headers} = this.options;
    const response = await this.post(`${endpoint.replace(/\/+$/, '')}/${path}`, {
      method: 'POST',
      headers: {'content-type': 'application/json', ...headers},
      body: text,
      keepalive: text.length < KEEPALIVE_BYTES,
      credentials: 'omit',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  }

  private warn(why: string): void {
    if (this.warned) return;
    this.warned = true;
    console.warn(`[EP] sluice · telemetry is not delivered to ${this.options.endpoint} (${why})`);
  }
}
