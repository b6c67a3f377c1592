// The YAML file of a machine: the example that is shipped, and what is refused.

import Accounting
import Foundation
import Testing

@testable import Pipelines

@Suite struct HostSettingFileTests {
    @Test("the example that is shipped states every figure but the rent")
    func example() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../ops/host.example.yaml").path
        let setting = try HostSettingFile.read(path)
        #expect(setting.zone == "DEU" && setting.currency == "EUR" && !setting.note.isEmpty)
        let missing = HostSetting.Figure.allCases.filter { setting.figures[$0] == nil }
        #expect(missing == [.rentalPerCPUHour])
        #expect(setting.figures[.kwhPrice] == 0.31 && setting.figures[.hostThreads] == 128)
    }

    @Test(
        "an unknown key, a bad value and a contradiction are refused with line and key",
        arguments: [
            ("zon: DEU", "h.yaml:1: zon is not a known key here", "did you mean 'zone'?"),
            ("zone: DEU\npeu: 1.2", "h.yaml:2: peu is not a known key here", "'pue'"),
            ("pue: 0.9", "h.yaml:1: pue is 0.9", "it must lie in 1...10"),
            ("wue: -1", "h.yaml:1: wue is -1", "it must lie in 0...1000"),
            ("pue: \"1.2\"", "h.yaml:1: pue is the text '1.2'", "without quotes"),
            ("host_threads: 1.5", "h.yaml:1: host_threads is '1.5'", "whole number"),
            ("kwh_price: ~", "h.yaml:1: kwh_price is '~'", "decimal number"),
            ("currency: euro\nkwh_price: 1", "h.yaml:1: currency is 'euro'", "EUR"),
            (
                "currency: EUR\nkwh_price: 0.3\nrental_per_cpu_hour: 0.1",
                "h.yaml:2: kwh_price is stated beside rental_per_cpu_hour", "leave one out"
            ),
            ("pue: 1.2\npue_low: 1.3\npue_high: 1.4", "h.yaml:2: pue_low is above pue", ""),
        ])
    func refused(text: String, reason: String, remedy: String) throws {
        let error = #expect(throws: PipelineError.self) {
            try HostSettingFile.parse(text, file: "h.yaml")
        }
        #expect(error?.reason.hasPrefix(reason) == true, "\(error?.reason ?? "")")
        #expect(
            remedy.isEmpty || error?.remedy?.contains(remedy) == true, "\(error?.remedy ?? "")")
    }

    @Test("a missing file and an empty one are told")
    func files() throws {
        let error = #expect(throws: PipelineError.self) {
            try HostSettingFile.read("/nowhere/h.yaml")
        }
        #expect(error?.remedy == "give the path of a host file")
        #expect(throws: PipelineError.self) {
            try HostSettingFile.parse("# nothing", file: "h.yaml")
        }
    }
}
