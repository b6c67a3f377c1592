// Pinning a thread, and what the host says of its processors.
import Foundation
import Synchronization
import Testing

@testable import Metering

@Suite struct ThreadPinningTests {
    @Test("a pinned thread may use one processor, and afterwards all that it could use before")
    func pinned() {
        let before = ThreadPinning.allowedProcessors()
        let chosen = ThreadPinning.leastBusy()
        // A look pins nothing, and serves more than once.
        for _ in 0..<2 {
            #expect(ThreadPinning.allowedProcessors() == before)
            chosen.whilePinned { pinning in
                // Where the system cannot pin, nothing changes and nobody is told otherwise.
                #expect(
                    ThreadPinning.allowedProcessors() == (pinning.processor.map { [$0] } ?? before))
            }
        }
        #expect(ThreadPinning.allowedProcessors() == before)
    }

    @Test("several processors are chosen and used, each once, and no more than there are")
    func several() {
        let before = ThreadPinning.allowedProcessors()
        for count in [1, 2, 10_000] {
            let chosen = ThreadPinning.leastBusy(count)
            #expect(chosen.processors.count == min(count, before.count))
            #expect(Set(chosen.processors).isSubset(of: before))
            #expect(Set(chosen.processors).count == chosen.processors.count)
            chosen.whilePinned { pinning in
                #expect(
                    ThreadPinning.allowedProcessors()
                        == (pinning.processors.isEmpty ? before : pinning.processors.sorted()))
            }
        }
        #expect(ThreadPinning.allowedProcessors() == before)
    }

    @Test("a thread that pins itself stays on its processors")
    func pins() {
        let chosen = ThreadPinning.leastBusy(), before = ThreadPinning.allowedProcessors()
        let found = Mutex<[Int]>([]), done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            chosen.pin()
            found.withLock { $0 = ThreadPinning.allowedProcessors() }
            done.signal()
        }
        done.wait()
        let own = found.withLock { $0 }
        // The system may refuse to pin.
        #expect(own == chosen.processors || own == before)
        #expect(ThreadPinning.allowedProcessors() == before)
    }

    @Test("the frequency is that of the processor asked for")
    func frequency() {
        let text =
            "processor\t: 0\nmodel name\t: A\ncpu MHz\t\t: 2100.5\n\nprocessor\t: 1\ncpu MHz\t\t: 3000\n"
        #expect(ProcessorState.megahertz(cpuInfo: text, processor: 0) == 2100.5)
        #expect(ProcessorState.megahertz(cpuInfo: text, processor: 1) == 3000)
        #expect(ProcessorState.megahertz(cpuInfo: text, processor: 2) == nil)
        #expect(ProcessorState.megahertz(cpuInfo: "", processor: 0) == nil)
    }

    @Test("busy ticks are told by processor, idle and stolen time left out")
    func ticks() {
        let text = """
            cpu  30 3 3 100 9 3 3 50 0 0
            cpu0 10 1 1 50 4 1 1 20 0 0
            cpu12 20 2 2 50 5 2 2 30 0 0
            intr 5
            """
        #expect(HostLoad.busyTicksByProcessor(procStat: text) == [0: 14, 12: 28])
    }
}
