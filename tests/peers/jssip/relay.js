// The SDP of a media relay, without one: to the browser all is ICE and DTLS, to everybody else plain RTP at one address.
const SECURED = [
  "a=ice-ufrag:relay", "a=ice-pwd:relayrelayrelayrelayrelay", "a=setup:actpass", "a=mid:0", "a=rtcp-mux",
  `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`,
];
const PLAIN = ["c=IN IP4 192.0.2.10", "t=0 0", "m=audio 40010 RTP/AVP 0", "a=rtpmap:0 PCMU/8000"];

export function turnedIn(sdp) {
  const lines = sdp.trim().split(/\r?\n/).map((line) => line.replace(" RTP/AVP ", " UDP/TLS/RTP/SAVPF "));
  return [...lines, ...SECURED, ""].join("\r\n");
}

export function turnedOut(sdp) {
  const origin = sdp.match(/^o=.*$/m)[0].trim();
  const direction = sdp.match(/^a=(sendrecv|sendonly|recvonly|inactive)\s*$/m)[0].trim();
  return ["v=0", origin, "s=-", ...PLAIN, direction, ""].join("\r\n");
}
