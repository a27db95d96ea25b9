// Names of results, by the command line's rules (src/apps/cutout/batch.h): the input's stem; a name
// already taken gets -2, -3 ...; one that would overwrite an input gets -cutout. The same inputs
// always give the same names. Downloads land in one folder, so inputs and results count as neighbours.

/** Part of a name before its last dot, as std::filesystem::path::stem gives it. */
export function stemOf(name: string): string {
  const file = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
  const dot = file.lastIndexOf('.');
  const stem = dot > 0 ? file.slice(0, dot) : file;
  return stem === '' || stem === '.' || stem === '..' ? 'picture' : stem;
}

/** One file name for each input, in order. `extension` comes with its dot. */
export function planNames(inputs: readonly string[], extension: string): string[] {
  const sources = new Set(inputs);
  const taken = new Set<string>();
  return inputs.map(input => {
    let stem = safe(stemOf(input));
    if (sources.has(stem + extension)) stem += '-cutout';
    let name = stem;
    for (let n = 2; taken.has(name) || sources.has(name + extension); ++n) name = `${stem}-${n}`;
    taken.add(name);
    return name + extension;
  });
}

// Characters that some system refuses in a file name.
function safe(stem: string): string {
  // eslint-disable-next-line no-control-regex
  return stem.replace(/[\u0000-\u001f<>:"|?*]/g, '_');
}
