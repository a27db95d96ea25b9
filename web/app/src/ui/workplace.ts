// The work place: the stage with its progress, the strip of pictures, and the tools as tabs.

import type {Background, Store} from '../state.js';
import type {Announcer} from './announce.js';
import {backgroundPanel} from './background_panel.js';
import {brushPanel, type BrushActions} from './brush_panel.js';
import {h} from './dom.js';
import {edgesPanel, type EdgeActions} from './edges_panel.js';
import {exportPanel, type ExportActions} from './export_panel.js';
import {jobBar, type JobActions} from './job_bar.js';
import {tabsView} from './panel.js';
import {stripView, type StripActions} from './strip.js';

export interface WorkActions {
  readonly background: {readonly set: (background: Background) => void; readonly pick: () => void};
  readonly edges: EdgeActions;
  readonly brush: BrushActions;
  readonly export: ExportActions;
  readonly job: JobActions;
  readonly strip: StripActions;
}

export function workplaceView(
  store: Store,
  announcer: Announcer,
  stage: HTMLElement,
  actions: WorkActions,
): HTMLElement {
  const compare = (): void => {
    store.update({tool: 'compare'});
  };
  const tabs = tabsView([
    {
      id: 'background',
      label: 'Background',
      onShow: compare,
      content: backgroundPanel(store, actions.background.set, actions.background.pick),
    },
    {id: 'edges', label: 'Edges', onShow: compare, content: edgesPanel(store, actions.edges)},
    {
      id: 'brush',
      label: 'Brush',
      onShow: () => {
        store.update({tool: 'restore'});
      },
      content: brushPanel(store, actions.brush),
    },
  ]);
  const panel = h(
    'aside',
    {class: 'panel', attrs: {'aria-label': 'Tools'}},
    tabs.element,
    exportPanel(store, actions.export),
  );
  stage.append(jobBar(store, announcer, actions.job)); // over the picture, so that nothing moves when it comes and goes
  return h('div', {class: 'work'}, h('div', {class: 'work-main'}, stage, stripView(store, actions.strip)), panel);
}
