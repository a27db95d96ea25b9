// A picture from the camera, at the camera's own size.

import {makeDialog} from './dialog.js';
import {button, h} from './dom.js';
import {icon} from './icons.js';

export class Camera {
  readonly element: HTMLDialogElement;
  private readonly dialog = makeDialog('camera', 'Camera', () => {
    this.stop();
  });
  private readonly video = h('video', {
    class: 'camera-video',
    attrs: {playsinline: true, muted: true, 'aria-label': 'Camera'},
  });
  private readonly message = h('p', {class: 'hint', attrs: {role: 'status'}});
  private readonly shoot = button(
    [icon('camera'), 'Take the picture'],
    () => {
      void this.take();
    },
    {class: 'button button-primary grow'},
  );
  private readonly again = button(
    [icon('retry'), 'Try again'],
    () => {
      void this.start();
    },
    {class: 'button grow'},
  );
  private stream: MediaStream | null = null;
  /** Counts starts: a camera that answers after a later one was asked for, or after the end, is let go. */
  private turn = 0;
  private facing: 'user' | 'environment' = 'user';

  constructor(private readonly onPicture: (file: File) => void) {
    this.element = this.dialog.element;
    this.video.muted = true;
    const flip = button(
      [icon('flip')],
      () => {
        this.facing = this.facing === 'user' ? 'environment' : 'user';
        void this.start();
      },
      {class: 'button', label: 'Other camera'},
    );
    this.dialog.body.append(this.video, this.message, h('div', {class: 'row'}, this.shoot, this.again, flip));
  }

  open(): void {
    this.dialog.open();
    void this.start();
  }

  private async start(): Promise<void> {
    this.stop();
    const turn = ++this.turn;
    this.shoot.disabled = true;
    this.video.hidden = this.shoot.hidden = false;
    this.again.hidden = true;
    this.message.textContent = 'Starting the camera…';
    try {
      if (!navigator.mediaDevices?.getUserMedia) throw new DOMException('', 'NotFoundError');
      const stream = await navigator.mediaDevices.getUserMedia({
        video: {facingMode: this.facing, width: {ideal: 3840}, height: {ideal: 2160}},
        audio: false,
      });
      if (turn !== this.turn) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.stream = stream;
      for (const track of stream.getTracks()) {
        track.addEventListener('ended', () => {
          if (this.stream === stream) this.failed('The camera was taken away.');
        });
      }
      this.video.srcObject = stream;
      await this.video.play();
      if (turn !== this.turn) return;
      this.message.textContent = '';
      this.shoot.disabled = false;
      this.shoot.focus();
    } catch (thrown) {
      if (turn !== this.turn) return;
      const name = thrown instanceof DOMException ? thrown.name : '';
      this.failed(
        name === 'NotAllowedError'
          ? 'The camera is not allowed here. Allow it in the address bar, then try again.'
          : name === 'NotFoundError'
            ? 'No camera was found on this device.'
            : 'The camera cannot be used right now; perhaps another program has it.',
      );
    }
  }

  private failed(why: string): void {
    this.stop();
    this.message.textContent = why;
    this.video.hidden = this.shoot.hidden = true;
    this.again.hidden = false;
    this.again.focus();
  }

  private async take(): Promise<void> {
    const {videoWidth: width, videoHeight: height} = this.video;
    if (width === 0) return;
    const canvas = h('canvas');
    canvas.width = width;
    canvas.height = height;
    canvas.getContext('2d')?.drawImage(this.video, 0, 0);
    const blob = await new Promise<Blob | null>(resolve => {
      canvas.toBlob(resolve, 'image/png');
    });
    if (!blob) {
      this.failed('The picture could not be taken: the browser gives no canvas of the camera’s size.');
      return;
    }
    this.dialog.close();
    const stamp = new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-');
    this.onPicture(new File([blob], `camera-${stamp}.png`, {type: 'image/png'}));
  }

  private stop(): void {
    ++this.turn;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }
}
