// The counters of GPUs, with a library that the test compiles in place of the maker's.

import Foundation
import Testing

@testable import Metering

/// A library with the functions of NVML that are used; `source` is what they do.
final class FakeNVML {
    let folder: URL
    var path: String { folder.appending(path: "libnvidia-ml.so.1").path }

    /// Three devices: one that counts up by 2.5 J with each reading, one without a counter, and one without a name.
    static let threeDevices = """
        #include <string.h>
        static int inits;
        static unsigned long long first = 1000;
        int nvmlInit_v2(void) { inits++; return 0; }
        int nvmlShutdown(void) { inits--; return 0; }
        int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return inits > 0 ? 0 : 1; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
          static char devices[3];
          *device = &devices[index];
          devices[index] = (char)index;
          return 0;
        }
        int nvmlDeviceGetName(void *device, char *name, unsigned length) {
          if (*(char *)device == 2) return 3;
          strncpy(name, "Fake H100", length);
          return 0;
        }
        int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *energy) {
          if (*(char *)device == 1) return 3;
          *energy = *(char *)device == 2 ? 7 : (first += 2500);
          return 0;
        }
        """

    /// Compiles the library; nil without a C compiler.
    init?(_ source: String) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "nvml-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appending(path: "fake.c")
        try Data(source.utf8).write(to: file)
        let compiler = Process()
        compiler.executableURL = URL(filePath: "/usr/bin/env")
        compiler.arguments = ["cc", "-shared", "-fPIC", "-o", path, file.path]
        try compiler.run()
        compiler.waitUntilExit()
        guard compiler.terminationStatus == 0 else {
            print("skipped: there is no C compiler to make a library of (cc)")
            return nil
        }
    }

    deinit {
        do { try FileManager.default.removeItem(at: folder) } catch { Issue.record(error) }
    }
}

@Suite struct GPUsTests {
    @Test("devices with a counter are named and read; one without a counter is not there")
    func devices() throws {
        guard let fake = try FakeNVML(FakeNVML.threeDevices) else { return }
        let gpus = try #require(GPUs(library: fake.path))
        #expect(gpus.names == ["Fake H100", "GPU 2"])
        let (one, other) = (gpus.read(), gpus.read())
        #expect(one.count == 2 && one[1] == 7_000 && other[1] == 7_000)
        let (before, after) = (try #require(one[0]), try #require(other[0]))
        #expect(after - before == 2_500_000)
    }

    @Test("without the library, with another library, and without a counter there are none")
    func none() throws {
        #expect(GPUs(library: "/nowhere/libnvidia-ml.so.1") == nil)
        if let other = try FakeNVML("int something(void) { return 0; }") {
            #expect(GPUs(library: other.path) == nil)
        }
        let old = FakeNVML.threeDevices.replacing("== 1) return 3;", with: ">= 0) return 3;")
        if let fake = try FakeNVML(old) { #expect(GPUs(library: fake.path) == nil) }
    }
}
