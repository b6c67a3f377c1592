// ProxyState: the state shared by the threads of a TCPProxy: counts, the armed fault, and silence.
import Foundation

/// The state shared by the threads of one proxy.
final class ProxyState: @unchecked Sendable {
    // Safe because every field is read and written with `condition` locked.
    private let condition = NSCondition()
    private var silent = false
    private var stopped = false
    private var fault: TCPProxy.Fault?
    private var seenByFault = 0
    private var counts: [TCPProxy.Direction: TCPProxy.Count] = [:]
    private var links: [ObjectIdentifier: ProxyLink] = [:]
    private var accepted = 0

    /// What to do with a message.
    enum Verdict {
        case pass, passAndCut, cut, passAndHold, hold
    }

    private func locked<T>(_ body: () -> T) -> T {
        condition.lock()
        defer { condition.unlock() }
        return body()
    }

    var connections: Int { locked { accepted } }
    var isArmed: Bool { locked { fault != nil } }
    var isSilent: Bool { locked { silent } }

    func count(_ direction: TCPProxy.Direction) -> TCPProxy.Count {
        locked { counts[direction] ?? TCPProxy.Count() }
    }

    func resetCounts() { locked { counts = [:] } }

    func arm(_ new: TCPProxy.Fault?) {
        locked {
            fault = new
            seenByFault = 0
        }
    }

    func setSilent(_ value: Bool) {
        locked {
            silent = value
            condition.broadcast()
        }
    }

    /// Waits while the proxy is silent; returns false if the proxy has stopped.
    func waitUntilNotSilent() -> Bool {
        locked {
            while silent && !stopped { condition.wait() }
            return !stopped
        }
    }

    /// Counts a message unless the message is withheld, and decides whether the armed fault occurs at this message.
    func verdict(_ message: WireMessage, _ direction: TCPProxy.Direction) -> Verdict {
        locked {
            guard let fault, fault.direction == direction else { return pass(message, direction) }
            seenByFault += 1
            guard seenByFault == fault.message else { return pass(message, direction) }
            self.fault = nil
            if fault.isForwarded { _ = pass(message, direction) }
            guard fault.isSilence else { return fault.isForwarded ? .passAndCut : .cut }
            silent = true
            return fault.isForwarded ? .passAndHold : .hold
        }
    }

    /// Counts a message that was withheld at first and is now forwarded.
    func note(_ message: WireMessage, _ direction: TCPProxy.Direction) {
        locked { _ = pass(message, direction) }
    }

    private func pass(_ message: WireMessage, _ direction: TCPProxy.Direction) -> Verdict {
        counts[direction, default: TCPProxy.Count()].types.append(message.type)
        counts[direction, default: TCPProxy.Count()].bytes += message.bytes.count
        return .pass
    }

    /// Adds a connection; returns false if the proxy has stopped.
    func add(_ link: ProxyLink) -> Bool {
        locked {
            accepted += 1
            links[ObjectIdentifier(link)] = link
            return !stopped
        }
    }

    func remove(_ link: ProxyLink) { locked { links[ObjectIdentifier(link)] = nil } }

    func cutAll() { for link in locked({ Array(links.values) }) { link.cut() } }

    /// Ends all connections and wakes all waiting threads.
    func stop() {
        locked {
            stopped = true
            condition.broadcast()
        }
        cutAll()
    }
}
