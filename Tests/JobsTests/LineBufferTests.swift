// Lines of a job that wait for the database.
import Testing

@testable import Jobs

@Suite struct LineBufferTests {
    @Test("while the database is away the newest lines are kept, and the others counted")
    func bounded() {
        var buffer = LineBuffer()
        for number in 0..<25_000 { buffer.append("line \(number)") }
        let told = buffer.told
        #expect(told.count <= 10_001 && told.last == "line 24999")
        let dropped = 25_000 - (told.count - 1)
        #expect(
            told[0] == "(\(dropped) older lines were dropped while the database was unreachable)")
        #expect(told[1] == "line \(dropped)")
    }

    @Test("long lines are cut, and all lines together are bounded in bytes")
    func bytes() {
        var buffer = LineBuffer()
        for _ in 0..<1000 { buffer.append(String(repeating: "x", count: 1 << 20)) }
        #expect(buffer.told.reduce(0) { $0 + $1.utf8.count } < 5 << 20)
        #expect(buffer.told.last?.hasSuffix("x…") == true)
    }

    @Test("what could not be written comes back before what was said since")
    func putBack() {
        let signal = AttemptSignal(lastBeat: 0, termSeconds: 1) { 0 }
        signal.log("first")
        let notes = signal.takeNotes()
        signal.log("second")
        signal.putBack(notes)
        #expect(signal.takeNotes().lines == ["first", "second"])
        #expect(signal.takeNotes().lines.isEmpty)
    }
}
