export {
  type AcpMessage,
  type AcpService,
  type AcpStream,
  acpStream,
  type ConnectAcpOptions,
  connectAcp,
  type ServeAcpOptions,
  serveAcp,
} from "./stream.js";
