// StreamSocket: the few socket calls of TCPProxy, over loopback TCP and unix sockets.
import Foundation
import Postgres

/// A descriptor that is closed on deinit.
final class StreamSocket: Sendable {
    private let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Listens on a free port of 127.0.0.1. Returns the socket and the port.
    static func listenOnLoopback() throws -> (socket: StreamSocket, port: Int) {
        let socket = try make(AF_INET)
        let anyPort = address(family: AF_INET, bytes: [0, 0, 127, 0, 0, 1])
        try socket.check(bind(socket.descriptor, anyPort, 16), "bind")
        try socket.check(Foundation.listen(socket.descriptor, 64), "listen")
        var bound = sockaddr()
        var length: socklen_t = 16
        try socket.check(getsockname(socket.descriptor, &bound, &length), "getsockname")
        let high = UInt8(bitPattern: bound.sa_data.0)
        let low = UInt8(bitPattern: bound.sa_data.1)
        return (socket, Int(high) << 8 | Int(low))
    }

    /// Listens on a new unix socket.
    static func listen(path: String) throws -> StreamSocket {
        let socket = try make(AF_UNIX)
        try socket.check(bind(socket.descriptor, address(path: path), 110), "bind \(path)")
        try socket.check(Foundation.listen(socket.descriptor, 64), "listen")
        return socket
    }

    /// Connects to a unix socket.
    static func connect(path: String) throws -> StreamSocket {
        let socket = try make(AF_UNIX)
        let result = Foundation.connect(socket.descriptor, address(path: path), 110)
        try socket.check(result, "connect \(path)")
        return socket
    }

    /// Connects to a port of 127.0.0.1. Reading from the socket gives up after a minute of silence.
    static func connect(port: Int) throws -> StreamSocket {
        let socket = try make(AF_INET)
        let place = [UInt8(port >> 8), UInt8(port & 255), 127, 0, 0, 1]
        try socket.check(
            Foundation.connect(socket.descriptor, address(family: AF_INET, bytes: place), 16),
            "connect to port \(port)")
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        _ = setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        return socket
    }

    /// Waits for a client and returns its socket; nil after `shut` or an error.
    func accept() -> StreamSocket? {
        while true {
            let client = Foundation.accept(descriptor, nil, nil)
            if client >= 0 {
                _ = fcntl(client, F_SETFD, FD_CLOEXEC)
                // TCP_NODELAY: small messages must not be delayed. Unix sockets lack the option.
                var one: Int32 = 1
                _ = setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
                return StreamSocket(client)
            }
            if errno != EINTR && errno != ECONNABORTED { return nil }
        }
    }

    /// Waits for bytes and returns the bytes that have arrived; empty if the peer has closed, or after an error.
    func read() -> ArraySlice<UInt8> {
        let size = 1 << 16
        var buffer = [UInt8](repeating: 0, count: size)
        while true {
            let count = recv(descriptor, &buffer, size, 0)
            if count >= 0 { return buffer[..<count] }
            if errno != EINTR { return [] }
        }
    }

    /// Writes all `bytes`; returns false if the peer is gone.
    func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = send(descriptor, rest, rest.count, Int32(MSG_NOSIGNAL))
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            rest.removeFirst(count)
        }
        return true
    }

    /// Shuts both directions down, which wakes threads that wait for this socket.
    func shut() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }

    private static func make(_ family: Int32) throws -> StreamSocket {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else {
            throw PostgresError("no socket: \(String(cString: strerror(errno)))")
        }
        return StreamSocket(descriptor)
    }

    private func check(_ result: Int32, _ what: String) throws {
        guard result == 0 else {
            throw PostgresError("\(what): \(String(cString: strerror(errno)))")
        }
    }

    private static func address(path: String) -> [sockaddr] {
        precondition(path.utf8.count <= 107, "\(path) is too long for a socket")
        return address(family: AF_UNIX, bytes: Array(path.utf8))
    }

    /// Returns a socket address of 112 bytes, as elements of 16 bytes.
    private static func address(family: Int32, bytes: [UInt8]) -> [sockaddr] {
        // The family is in native byte order; in further elements the family field holds two bytes
        // of the address.
        let own = UInt16(family)
        var all = [UInt8(own & 0xff), UInt8(own >> 8)] + bytes
        if own.bigEndian == own { all.swapAt(0, 1) }
        all += [UInt8](repeating: 0, count: 112 - all.count)
        return (0..<7).map { index in
            let part = all[(16 * index)..<(16 * index + 16)].map { CChar(bitPattern: $0) }
            let first = UInt16(UInt8(bitPattern: part[0]))
            let second = UInt16(UInt8(bitPattern: part[1]))
            return sockaddr(
                sa_family: own.bigEndian == own ? first << 8 | second : second << 8 | first,
                sa_data: (
                    part[2], part[3], part[4], part[5], part[6], part[7], part[8], part[9],
                    part[10], part[11], part[12], part[13], part[14], part[15]
                ))
        }
    }
}
