// A WHIP client of a page's own making that sends its offer before it knows a candidate, and each as it is found.
async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const peer = new RTCPeerConnection();
  stream.getTracks().forEach((track) => peer.addTrack(track, stream));
  const audio = new Audio();
  peer.ontrack = ({ streams }) => {
    audio.srcObject = streams[0];
    audio.play();
  };
  const early = [];
  let send = (candidate) => early.push(candidate);
  peer.onicecandidate = ({ candidate }) => candidate?.candidate && send(candidate);
  await peer.setLocalDescription(await peer.createOffer());
  const offer = peer.localDescription.sdp.replace(/a=candidate:.*\r\n/g, "");
  const headers = { "Content-Type": "application/sdp" };
  const answer = await fetch("/webrtc/whip", { method: "POST", body: offer, headers });
  const session = answer.headers.get("Location");
  const tag = answer.headers.get("ETag");
  const ice = offer.match(/a=ice-(ufrag|pwd):.*\r\n/g).slice(0, 2).join("");
  const statuses = [];
  const patches = [];
  send = (candidate) => {
    const fragment = `${ice}m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:${candidate.sdpMid}\r\na=${candidate.candidate}\r\n`;
    const trickle = { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": tag };
    patches.push(
      fetch(session, { method: "PATCH", body: fragment, headers: trickle }).then(({ status }) => statuses.push(status)),
    );
  };
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  early.splice(0).forEach(send);
  for (let waited = 0; peer.connectionState !== "connected" && waited < 15000; waited += 50)
    await new Promise((resolve) => setTimeout(resolve, 50));
  await Promise.all(patches);
  window.testCall = {
    hangUp: async () => {
      const { status } = await fetch(session, { method: "DELETE" });
      peer.close();
      return status;
    },
  };
  return {
    id: answer.headers.get("Openclaw-Call-Id"),
    offered: offer.match(/a=candidate:/g)?.length ?? 0,
    trickled: statuses.length,
    statuses,
    state: peer.connectionState,
  };
}
