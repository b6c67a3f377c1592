// SpecialiseForm: the form that specialises for a device, new or stored, as `ofa device add` and `ofa specialize` do.

import Artifacts
import Devices
import Foundation
import Intake
import Pipelines
import Postgres

/// The form that enqueues a run which makes a network for a device.
enum SpecialiseForm {
    /// A field with a limit.
    struct LimitField {
        /// The name of the field, as in pipeline files.
        let name: String
        /// The label with the unit, and a sentence about the field.
        let label, hint: String
        /// The limit of a device; nil without one.
        let value: @Sendable (Constraints) -> Double?
    }

    /// The fields of limits, in their order.
    static let limits: [LimitField] = [
        LimitField(
            name: "max_latency_ms", label: "Latency, ms",
            hint:
                "The most milliseconds for one batch. Needs a latency table; of this computer it is measured.",
            value: { $0.latencyMsMax }),
        LimitField(
            name: "max_energy_mj", label: "Energy, mJ",
            hint: "The most millijoules for one batch, by an energy table or modelled.",
            value: { $0.energyMJMax }),
        LimitField(
            name: "max_flash_kb", label: "Stored weights, KiB",
            hint: "The most KiB of stored weights.",
            value: { $0.flashKBMax }),
        LimitField(
            name: "max_peak_memory_kb", label: "Peak memory, KiB",
            hint: "The most KiB of activations in memory at the same time, for one batch.",
            value: { $0.peakMemoryKBMax }),
        LimitField(
            name: "max_macs", label: "Multiply-accumulates",
            hint: "The most for one image, such as 6000000 or 6e6.",
            value: { $0.macsMax.map(Double.init) }),
        LimitField(
            name: "max_params", label: "Parameters", hint: "The most parameters.",
            value: { $0.paramsMax.map(Double.init) }),
    ]

    /// Sets the limit called `name` to what `text` says.
    private static func set(
        _ name: String, _ text: String, in limits: inout Constraints
    ) throws(InputFault) {
        switch name {
        case "max_latency_ms": limits.latencyMsMax = try real(text)
        case "max_energy_mj": limits.energyMJMax = try real(text)
        case "max_flash_kb": limits.flashKBMax = try real(text)
        case "max_peak_memory_kb": limits.peakMemoryKBMax = try real(text)
        case "max_macs": limits.macsMax = try count(text)
        case "max_params": limits.paramsMax = try count(text)
        default: break
        }
    }

    private static func real(_ text: String) throws(InputFault) -> Double {
        try DecimalNumber.real(text, in: 1e-9...1e15)
    }

    private static func count(_ text: String) throws(InputFault) -> Int {
        guard let count = Int(exactly: try DecimalNumber.real(text, in: 1...1e15)) else {
            throw InputFault("is not whole", remedy: "write a whole number, such as 3000000")
        }
        return count
    }

    // MARK: Submission

    /// Enqueues the run that the fields ask for; returns the address of the device's page. `device` is the name in the
    /// address, else the field `device` names a stored one; without both a new device is added, in the transaction that
    /// creates the run. Errors: `form`, after which nothing has changed; `notFound` for an unknown device in the address.
    static func submit(
        _ fields: [String: String], device: String?, _ connection: Connection
    ) throws -> String {
        func text(_ name: String) -> String {
            (fields[name] ?? "").trimmingCharacters(in: .whitespaces)
        }
        let store = DeviceStore(connection)
        let chosen = device ?? (text("device").isEmpty ? nil : text("device"))
        var target: DeviceTarget, known: StoredDevice?
        if let chosen {
            guard let found = try store.find(chosen) else {
                throw DashboardError(
                    device == nil ? .form : .notFound,
                    (device == nil ? "device: " : "")
                        + "there is no device \(Shown.excerpt(chosen))")
            }
            (known, target) = (found, found.target)
        } else {
            target = DeviceTarget(
                name: try name(text("name"), store), kind: try kind(text("kind")),
                limits: Constraints())
        }
        for limit in limits where !text(limit.name).isEmpty {
            try field(limit.name) { () throws(InputFault) in
                try set(limit.name, text(limit.name), in: &target.limits)
            }
        }
        if target.kind != .computer, target.limits.latencyMsMax != nil, known?.latencyTable == nil {
            throw DashboardError(
                .form,
                "max_latency_ms: device \(target.name) is a \(target.kind.rawValue) without a latency table",
                remedy: "limit max_macs here, or give a table with ofa device add --latency-table")
        }
        let supernet = try supernet(text("supernet"), connection)
        try refusing {
            let given =
                known?.limited(to: target.limits) ?? StoredDevice(target: target, latencyTable: nil)
            if known == nil {
                try target.validate()
                try DeviceStore.check(target, latencyTable: nil, energyTable: nil)
            }
            let sources = try Specialization.sources(
                connection, supernet: supernet, withEightBits: target.bits == 8)
            _ = try PlannedSpecialization([given], from: sources, connection, note: { _ in })
                .enqueue(adding: known == nil ? target : nil, connection)
        }
        return Notice.path(HTML.path("devices", target.name), "specialised")
    }

    /// Throws `form` with the field's name if its text is refused.
    private static func field<Value>(
        _ name: String, _ read: () throws(InputFault) -> Value
    ) throws -> Value {
        do throws(InputFault) { return try read() } catch {
            throw DashboardError(.form, "\(name) \(error.reason)", remedy: error.remedy)
        }
    }

    private static func name(_ text: String, _ store: DeviceStore) throws -> String {
        let name = try field("name") { () throws(InputFault) in try TextRule.name.checked(text) }
        guard DeviceStore.isPlain(name) else {
            throw DashboardError(
                .form, "name is '\(Shown.excerpt(name))'", remedy: DeviceStore.plainNameRemedy)
        }
        guard try store.find(name) == nil else {
            throw DashboardError(
                .form, "name: there is a device \(name) already",
                remedy: "choose it in the list of stored devices, or give another name")
        }
        return name
    }

    private static func kind(_ text: String) throws -> DeviceTarget.Kind {
        guard let kind = DeviceTarget.Kind(rawValue: text) else {
            let known = DeviceTarget.Kind.allCases.map(\.rawValue)
            throw DashboardError(
                .form, "kind is '\(Shown.excerpt(text))'",
                remedy: NearestName.remedy(text, known: known))
        }
        return kind
    }

    private static func supernet(_ text: String, _ connection: Connection) throws -> String? {
        guard !text.isEmpty else { return nil }
        let known = try ArtifactStore(connection).supernetsWithPredictor()
        guard known.contains(where: { $0.id.description == text }) else {
            throw DashboardError(
                .form,
                "supernet is '\(Shown.excerpt(text))', which is no supernet with a predictor",
                remedy: "choose one of the list")
        }
        return text
    }

    /// Turns refusals of other modules, such as limits that no network meets, into errors of the form.
    private static func refusing(_ body: () throws -> Void) throws {
        do { try body() } catch let error as PostgresError {
            throw error
        } catch let error as any Remedied {
            throw DashboardError(.form, error.reason, remedy: error.remedy)
        }
    }

    // MARK: Markup

    /// The forms of the page of all devices: one for a stored device, one for a new one. Empty on a read-only server.
    static func sections(
        _ devices: [StoredDevice], _ request: PageRequest, _ connection: Connection
    ) throws -> HTML {
        guard request.mayAct else { return .empty }
        let supernets = try ArtifactStore(connection).supernetsWithPredictor()
        let names = devices.map { "<option>\($0.target.name)</option>" as HTML }
        let kinds = DeviceTarget.Kind.allCases.map {
            "<option value=\"\($0.rawValue)\">\($0.rawValue)</option>" as HTML
        }
        let stored: HTML = """
            <form method="post" action="/devices" class="fields">\(request.formToken)
            <label for="stored-device">Device</label><select id="stored-device" name="device" required>\(names)</select>
            \(choice(of: supernets, "stored"))
            \(limitFields("stored", of: nil, hint: "Limits given here apply to this run only; an empty field keeps the device's limit."))
            <button>Specialise</button></form>

            """
        let new: HTML = """
            <form method="post" action="/devices" class="fields">\(request.formToken)
            <label for="new-name">Name</label><input id="new-name" name="name" maxlength="200" required \
            pattern="[\\p{L}\\p{N}\\-_.]+" aria-describedby="new-name-hint" autocomplete="off">
            <span class="note" id="new-name-hint">Letters, digits, '-', '_' and '.'.</span>
            <label for="new-kind">Kind</label><select id="new-kind" name="kind" aria-describedby="new-kind-hint">\(kinds)</select>
            <span class="note" id="new-kind-hint">computer: a machine such as this one. computer and phone use floats, a \
            microcontroller eight bits.</span>
            \(choice(of: supernets, "new"))
            \(limitFields("new", of: nil, hint: "An empty field sets no limit. The limits are kept with the device."))
            <button>Add and specialise</button></form>

            """
        guard !supernets.isEmpty else {
            return Parts.section("Specialise", id: "specialise", missing)
        }
        return """
            \(Parts.section("Add a device and specialise for it", id: "specialise", intro, new))\
            \(devices.isEmpty
                ? .empty
                : Parts.section("Specialise for a stored device", id: "specialise-stored", stored))
            """
    }

    /// The form of a device's page. Empty on a read-only server.
    static func section(
        of device: StoredDevice, _ request: PageRequest, _ connection: Connection
    ) throws -> HTML {
        guard request.mayAct else { return .empty }
        let supernets = try ArtifactStore(connection).supernetsWithPredictor()
        guard !supernets.isEmpty else {
            return Parts.section("Specialise", id: "specialise", missing)
        }
        let path = HTML.path("devices", device.target.name) + "/specialise"
        return Parts.section(
            "Specialise", id: "specialise", intro,
            """
            <form method="post" action="\(path)" class="fields">\(request.formToken)
            \(choice(of: supernets, "own"))
            \(limitFields("own", of: device.target.limits, hint: "Limits given here apply to this run only; an empty field keeps the device's limit."))
            <button>Specialise for \(device.target.name)</button></form>

            """)
    }

    private static let intro: HTML = """
        <p>A run searches the supernet for the best network within the limits, cuts it out and measures it. Nothing is trained.</p>

        """

    private static let missing = PageParts.note(
        "No run has a supernet with a fitted predictor yet, and networks are cut from such a supernet."
            + " ofa run pipelines/fashion-mnist-quick.yaml trains one.")

    private static func choice(of supernets: [Artifact], _ prefix: String) -> HTML {
        let options = supernets.map { supernet -> HTML in
            let run = supernet.producer.map { ", run \($0.run)" } ?? ""
            return
                "<option value=\"\(supernet.id.rawValue)\">\(supernet.name) #\(supernet.id.rawValue)\(run)</option>"
        }
        return """
            <label for="\(prefix)-supernet">Supernet</label><select id="\(prefix)-supernet" name="supernet">\
            <option value="">the newest with a predictor</option>\(options)</select>
            """
    }

    private static func limitFields(_ prefix: String, of own: Constraints?, hint: String) -> HTML {
        let fields = limits.map { limit -> HTML in
            let id = "\(prefix)-\(limit.name)"
            let value = own.flatMap(limit.value).map { DecimalNumber.text($0) }
            return """
                <label for="\(id)">\(limit.label)</label><input id="\(id)" name="\(limit.name)" inputmode="decimal" \
                placeholder="\(value ?? "no limit")" aria-describedby="\(id)-hint" autocomplete="off">
                <span class="note" id="\(id)-hint">\(limit.hint)</span>

                """
        }
        return "<p class=\"note\">\(hint)</p>\n\(fields)"
    }
}
