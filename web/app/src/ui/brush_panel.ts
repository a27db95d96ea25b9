// Brush: bring parts back or take them away, by hand.

import type {Store, Tool} from '../state.js';
import {button, h, slider} from './dom.js';
import {icon} from './icons.js';

export interface BrushActions {
  readonly setTool: (tool: Tool) => void;
  readonly setSize: (size: number) => void;
  readonly setHardness: (hardness: number) => void;
  readonly undo: () => void;
  readonly redo: () => void;
}

export function brushPanel(store: Store, actions: BrushActions): HTMLElement {
  const tools: readonly (readonly [Tool, string, Parameters<typeof icon>[0]])[] = [
    ['restore', 'Restore', 'brush'],
    ['erase', 'Erase', 'eraser'],
  ];
  const inputs = new Map<Tool, HTMLInputElement>();
  const group = h(
    'div',
    {class: 'segments grow', attrs: {role: 'radiogroup', 'aria-label': 'Brush'}},
    ...tools.map(([tool, label, name]) => {
      const input = h('input', {
        attrs: {type: 'radio', name: 'tool', value: tool},
        on: {
          change: () => {
            actions.setTool(tool);
          },
        },
      });
      inputs.set(tool, input);
      return h('label', {class: 'segment'}, input, h('span', {}, icon(name), label));
    }),
  );
  const size = slider('Size', {min: 4, max: 200, step: 2, value: 48}, value => `${value} px`, actions.setSize);
  const hardness = slider(
    'Hardness',
    {min: 0, max: 100, step: 5, value: 60},
    value => `${value} %`,
    value => {
      actions.setHardness(value / 100);
    },
  );
  const undo = button([icon('undo')], actions.undo, {class: 'icon-button', label: 'Undo', title: 'Undo (Ctrl+Z)'});
  const redo = button([icon('redo')], actions.redo, {
    class: 'icon-button',
    label: 'Redo',
    title: 'Redo (Ctrl+Shift+Z)',
  });
  store.watch(
    state => [state.tool, state.brushSize, state.brushHardness, state.canUndo, state.canRedo],
    (tool, brushSize, brushHardness, canUndo, canRedo) => {
      for (const [name, input] of inputs) input.checked = name === tool;
      size.set(brushSize);
      hardness.set(Math.round(brushHardness * 100));
      undo.disabled = !canUndo;
      redo.disabled = !canRedo;
    },
  );
  return h(
    'div',
    {},
    h('div', {class: 'row brush-row'}, group, undo, redo),
    size.element,
    hardness.element,
    h('p', {class: 'hint'}, 'Zoom in for a finer brush. Two fingers or the middle mouse button move the picture.'),
  );
}
