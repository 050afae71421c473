import type { DragEvent } from 'react';

const TYPE = 'application/x-filmless-display-set';

/** The document says while a series is dragged, so that frames let it pass. */
export function startDragging(event: DragEvent, displaySetId: string): void {
  event.dataTransfer.setData(TYPE, displaySetId);
  event.dataTransfer.effectAllowed = 'copy';
  const root = document.documentElement;
  root.dataset.dragging = '';
  event.currentTarget.addEventListener('dragend', () => delete root.dataset.dragging, { once: true });
}

export const draggedDisplaySet = (event: DragEvent): string => event.dataTransfer.getData(TYPE);
