// TCPProxy: a proxy in front of the server's unix socket. TCPProxy counts protocol messages and injects network faults:
// at a chosen message it closes the connection (a cut), or forwards nothing more without closing any connection
// (silence). TCPProxy uses real sockets and two threads per connection.
import Foundation
import Postgres
import Synchronization

/// A proxy in front of a test server; stopped on deinit.
public final class TCPProxy: Sendable {
    /// What clients connect to.
    public enum Front: Sendable {
        /// A port of 127.0.0.1.
        case loopback
        /// A unix socket.
        case unixSocket
    }

    /// The direction of a message.
    public enum Direction: Sendable, CaseIterable {
        /// From client to server.
        case toServer
        /// From server to client.
        case toClient
    }

    /// A fault that occurs once.
    public struct Fault: Sendable {
        /// The direction whose messages are counted.
        public var direction: Direction
        /// The number of the message at which the fault occurs, counted over all connections from the arming of the
        /// fault; the first message is 1.
        public var message: Int
        /// Whether the message at which the fault occurs is still forwarded.
        public var isForwarded: Bool
        /// True: the whole proxy falls silent; false: the connection is cut.
        public var isSilence: Bool

        /// Takes the fields; by default the connection is cut.
        public init(
            _ direction: Direction, message: Int, isForwarded: Bool, isSilence: Bool = false
        ) {
            self.direction = direction
            self.message = message
            self.isForwarded = isForwarded
            self.isSilence = isSilence
        }
    }

    /// The traffic in one direction.
    public struct Count: Sendable, Equatable {
        /// The types of the messages, in order; `^` is an untyped message, with which a client begins.
        public var types = ""
        /// The number of messages.
        public var messages: Int { types.count }
        /// The number of bytes.
        public var bytes = 0
    }

    private let state = ProxyState()
    private let listener: StreamSocket
    private let host: String
    private let port: Int
    private let folder: String?

    /// Opens a proxy in front of the server of `url`.
    public init(before url: String, front: Front = .loopback) throws {
        switch front {
        case .loopback:
            (listener, port) = try StreamSocket.listenOnLoopback()
            (host, folder) = ("127.0.0.1", nil)
        case .unixSocket:
            let made = try TemporaryFolder.make(prefix: "ofa-proxy")
            listener = try StreamSocket.listen(path: made + "/.s.PGSQL.5432")
            (host, port, folder) = (made, 5432, made)
        }
        let upstream = try DatabaseURL.socketFolder(of: url) + "/.s.PGSQL.5432"
        let thread = Thread { [state, listener] in
            Self.serve(listener, upstream: upstream, state)
        }
        thread.name = "proxy"
        thread.start()
    }

    deinit {
        listener.shut()
        state.stop()
        guard let folder else { return }
        do { try FileManager.default.removeItem(atPath: folder) } catch {
            print("\(folder) stays: \(error)")
        }
    }

    /// Returns `database`, the URL of a database of the server, redirected through the proxy.
    public func url(of database: String) -> String {
        DatabaseURL.url(database, host: host, port: port) + "&sslmode=disable&gssencmode=disable"
    }

    /// Returns the traffic since the start or the last `resetCounts`; withheld messages are not
    /// counted.
    public func count(_ direction: Direction) -> Count { state.count(direction) }
    /// Connections accepted since the start.
    public var connections: Int { state.connections }
    /// Resets the counts.
    public func resetCounts() { state.resetCounts() }

    /// Arms a fault, which replaces an armed fault that has not occurred yet; nil disarms the proxy.
    public func arm(_ fault: Fault?) { state.arm(fault) }
    /// Whether a fault is pending.
    public var isArmed: Bool { state.isArmed }

    /// Stops reading and forwarding on all connections, but closes none. The bytes of a read in progress, at most 64
    /// KiB, are forwarded after `resume`.
    public func goSilent() { state.setSilent(true) }
    /// Resumes after `goSilent`.
    public func resume() { state.setSilent(false) }
    /// Whether the proxy is silent.
    public var isSilent: Bool { state.isSilent }

    /// Cuts every open connection; new connections are served.
    public func cutAll() { state.cutAll() }

    private static func serve(_ listener: StreamSocket, upstream: String, _ state: ProxyState) {
        while let client = listener.accept() {
            guard state.waitUntilNotSilent() else { return }
            // If the server cannot be reached, the client is disconnected, as a port forwarder would do.
            guard let server = connect(upstream) else { continue }
            let link = ProxyLink(client: client, server: server, state: state)
            guard state.add(link) else { return link.cut() }
            for direction in Direction.allCases {
                let thread = Thread { link.pump(direction) }
                thread.name = "proxy \(direction)"
                thread.stackSize = 1 << 18
                thread.start()
            }
        }
    }

    private static func connect(_ path: String) -> StreamSocket? {
        do { return try StreamSocket.connect(path: path) } catch { return nil }
    }
}

/// One connection through the proxy.
final class ProxyLink: Sendable {
    private let client: StreamSocket
    private let server: StreamSocket
    private let state: ProxyState
    /// How many one-byte answers to encryption requests the server has still to send.
    private let bareBytes = Mutex(0)

    /// Joins two sockets; no bytes are forwarded until `pump`.
    init(client: StreamSocket, server: StreamSocket, state: ProxyState) {
        self.client = client
        self.server = server
        self.state = state
    }

    /// Closes both sides.
    func cut() {
        client.shut()
        server.shut()
    }

    /// Forwards the bytes of one direction until the sender closes the connection or a fault cuts it; then ends both
    /// directions.
    func pump(_ direction: TCPProxy.Direction) {
        let (source, sink) = direction == .toServer ? (client, server) : (server, client)
        var reader = WireReader(ofClient: direction == .toServer)
        while state.waitUntilNotSilent() {
            let bytes = source.read()
            guard state.waitUntilNotSilent(), !bytes.isEmpty else { break }
            let arrived = messages(&reader, bytes, direction)
            guard forward(arrived, direction, from: source, to: sink) else { break }
        }
        cut()
        state.remove(self)
    }

    private func messages(
        _ reader: inout WireReader, _ bytes: ArraySlice<UInt8>, _ direction: TCPProxy.Direction
    ) -> [WireMessage] {
        if direction == .toServer {
            var none = 0
            let messages = reader.take(bytes, bareBytes: &none)
            let wishes = messages.filter(\.wantsEncryption).count
            if wishes > 0 { bareBytes.withLock { $0 += wishes } }
            return messages
        }
        return bareBytes.withLock { reader.take(bytes, bareBytes: &$0) }
    }

    /// Forwards messages as far as the state allows; returns false if the connection must end. At a cut, closes
    /// `source` before it writes the last messages to `sink`, so that the sender gets no reply to these messages.
    private func forward(
        _ messages: [WireMessage], _ direction: TCPProxy.Direction,
        from source: StreamSocket, to sink: StreamSocket
    ) -> Bool {
        var ready: [UInt8] = []
        for message in messages {
            switch state.verdict(message, direction) {
            case .pass: ready += message.bytes
            case .passAndCut:
                source.shut()
                _ = sink.write(ready + message.bytes)
                return false
            case .cut:
                source.shut()
                _ = sink.write(ready)
                return false
            case .passAndHold:
                guard sink.write(ready + message.bytes) else { return false }
                ready = []
                guard state.waitUntilNotSilent() else { return false }
            case .hold:
                guard sink.write(ready), state.waitUntilNotSilent() else { return false }
                ready = message.bytes
                state.note(message, direction)
            }
        }
        return sink.write(ready)
    }
}
