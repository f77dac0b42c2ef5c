// A phone of JsSIP: registers, rings, answers with an oscillator for a microphone, and tells what happens to its own site.
import JsSIP from "jssip";
import { turnedIn, turnedOut } from "./relay.js";

const site = new WebSocket(`ws://${location.host}/talk`);
const tell = (event, what = {}) => site.send(JSON.stringify({ event, ...what }));
window.onerror = (message) => tell("broken", { why: String(message) });
window.onunhandledrejection = ({ reason }) => tell("broken", { why: String(reason) });

function microphone() {
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, { frequency: 440 });
  const out = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(out);
  oscillator.start();
  return out.stream;
}

// Told once sound has come in: packets that decode to more than silence.
async function listen(session) {
  for (;;) {
    const connection = session.connection;
    if (!connection || connection.connectionState === "closed") return;
    for (const [, report] of await connection.getStats()) {
      if (report.type === "inbound-rtp" && report.totalAudioEnergy > 0) return tell("heard", { packets: report.packetsReceived });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function take(session, isRelayed) {
  site.onmessage = () => session.terminate();
  session.on("sdp", (said) => {
    const { originator, sdp } = said;
    tell(originator === "remote" ? "offered" : "answering", { sdp });
    if (isRelayed) said.sdp = originator === "remote" ? turnedIn(sdp) : turnedOut(sdp);
  });
  session.on("peerconnection:setremotedescriptionfailed", (error) => tell("objected", { why: String(error) }));
  session.on("progress", () => {
    tell("ringing", { to: session.remote_identity.uri.toString() });
    session.answer({ mediaStream: microphone(), pcConfig: { iceServers: [] } });
  });
  session.on("peerconnection", ({ peerconnection }) => {
    peerconnection.ontrack = ({ streams: [stream] }) => Object.assign(new Audio(), { srcObject: stream }).play();
  });
  session.on("confirmed", () => {
    tell("confirmed");
    listen(session);
  });
  for (const event of ["ended", "failed"]) {
    session.on(event, ({ originator, cause }) => tell(event, { originator, cause }));
  }
}

site.onmessage = ({ data }) => {
  const { server, uri, password, isRelayed } = JSON.parse(data);
  const phone = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(server)], uri, password, register_expires: 120 });
  phone.on("registered", () => tell("registered"));
  phone.on("registrationFailed", ({ cause }) => tell("unregistered", { cause }));
  phone.on("newRTCSession", ({ session }) => take(session, isRelayed));
  phone.start();
};
