// What is read from the host's own files.

import Testing

@testable import Metering

@Suite struct HostDescriptionTests {
    private let virtualInfo = """
        processor\t: 0
        model name\t: AMD EPYC 7763 64-Core Processor
        flags\t\t: fpu vme hypervisor avx2
        """

    private func describe(
        _ info: String, vCPUs: Int = 2, environment: [String: String] = [:]
    ) throws -> HostDescription {
        try HostDescription.describe(
            name: "n", cpuInfo: info, vCPUs: vCPUs, memoryBytes: 8_000_000_000,
            environment: environment)
    }

    @Test("a known model on a virtual machine shares the socket of its data sheet")
    func known() throws {
        let host = try describe(virtualInfo)
        #expect(host.isVirtual)
        #expect(host.rating.watts == 280)
        #expect(host.rating.threads == 128)
    }

    @Test(
        "an unknown virtual machine shares an assumed socket, a bare one owns its share"
    )
    func unknown() throws {
        let virtual = try describe("model name : Some CPU\nflags : hypervisor\n")
        #expect(virtual.rating == .assumed)
        let bare = try describe("model name : Some CPU\nflags : fpu\n", vCPUs: 8)
        #expect(bare.rating.threads == 8)
        #expect(bare.rating.watts == 17.5)
    }

    @Test("the environment overrides rated power and threads")
    func overridden() throws {
        let host = try describe(
            virtualInfo, environment: ["OFA_TDP_WATTS": "65", "OFA_HOST_THREADS": "16"])
        #expect(host.rating.watts == 65)
        #expect(host.rating.threads == 16)
        #expect(host.rating.source == "declared in the environment")
    }

    @Test("what is stated of a machine is before its model, and behind the environment")
    func stated() throws {
        func describe(_ stated: StatedRating, _ environment: [String: String] = [:]) throws
            -> ThermalDesign
        {
            try HostDescription.describe(
                name: "n", cpuInfo: virtualInfo, vCPUs: 2, memoryBytes: 0,
                environment: environment, stated: stated
            ).rating
        }
        let whole = try describe(StatedRating(watts: 65, threads: 16))
        #expect(
            whole == ThermalDesign(watts: 65, threads: 16, source: "stated of this machine"))
        let half = try describe(StatedRating(threads: 64))
        #expect(half.watts == 280 && half.threads == 64)
        let other = try describe(StatedRating(watts: 65, threads: 16), ["OFA_TDP_WATTS": "35"])
        #expect(other.watts == 35 && other.threads == 16)
        #expect(other.source == "declared in the environment")
        #expect(try describe(StatedRating()).source == "data sheet of 7763")
    }

    @Test("the table of processors has each model once, with a plausible power for each thread")
    func table() {
        let models = ThermalDesign.table.map(\.model)
        #expect(Set(models).count == models.count && models.count > 100)
        for row in ThermalDesign.table {
            let each = row.watts / Double(row.threads)
            #expect((1...12).contains(each) && row.threads % 2 == 0, "\(row.model): \(each) W")
        }
        let known = [
            ("AMD EPYC 9654 96-Core Processor", 360.0, 192),
            ("Intel(R) Xeon(R) Platinum 8360Y CPU @ 2.40GHz", 250, 72),
            ("13th Gen Intel(R) Core(TM) i9-13900K", 125, 32),
            ("Intel(R) Xeon(R) Platinum 8480+", 350, 112),
        ]
        for (name, watts, threads) in known {
            let rating = ThermalDesign.of(cpuModel: name)
            #expect(rating.watts == watts && rating.threads == threads)
        }
        // A model with a letter more is another one.
        #expect(ThermalDesign.of(cpuModel: "Intel(R) Xeon(R) Gold 6230R CPU") == .assumed)
    }

    @Test(
        "a setting that is no number is an error naming it",
        arguments: ["abc", "-3", "0", "nan", "inf"])
    func badSetting(text: String) {
        let error = #expect(throws: MeteringError.self) {
            try describe(virtualInfo, environment: ["OFA_TDP_WATTS": text])
        }
        #expect(error?.code == .badSetting)
        #expect(error?.message.contains("OFA_TDP_WATTS=\(text)") == true)
    }

    @Test("this machine describes itself")
    func current() throws {
        let host = try HostDescription.current(environment: [:])
        #expect(host.vCPUs >= 1)
        #expect(host.memoryBytes > 0)
        #expect(!host.name.isEmpty)
    }
}

@Suite struct HostLoadTests {
    @Test(
        "busy time is user, nice, system and interrupts; not idle, waiting, stolen, guest"
    )
    func busy() {
        let text = "cpu  100 20 30 4000 500 6 7 80 9 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
        #expect(HostLoad.busyNanoseconds(procStat: text, ticksPerSecond: 100) == 1_630_000_000)
        #expect(HostLoad.busyNanoseconds(procStat: "intr 5\n", ticksPerSecond: 100) == nil)
    }

    @Test("processor time of the process grows with work and includes that of the thread")
    func clocks() throws {
        let before = try Clocks.processCPUNanoseconds()
        var sum: UInt64 = 1
        while try Clocks.processCPUNanoseconds() - before < 1_000_000 {
            sum = sum &* 6_364_136_223_846_793_005
        }
        #expect(sum != 0)
        #expect(try Clocks.threadCPUNanoseconds() <= Clocks.processCPUNanoseconds())
    }
}

@Suite struct MeteringTierTests {
    @Test("a sum is trusted as far as its least trusted part")
    func sum() {
        #expect(MeteringTier.ofSum([.counter, .model, .sampled]) == .model)
        #expect(MeteringTier.ofSum([.counter]) == .counter)
        #expect(MeteringTier.ofSum([]) == nil)
    }
}
