// Numbers of the WebGPU specification ("Buffer Usages", "Map Modes", "Shader Stages"). Spelt out because the
// globals GPUBufferUsage and so on exist only where WebGPU does.
export const BufferUsage = {
  mapRead: 0x0001,
  copySource: 0x0004,
  copyTarget: 0x0008,
  uniform: 0x0040,
  storage: 0x0080,
} as const;
export const MAP_READ = 0x0001;
export const COMPUTE_STAGE = 0x4;
