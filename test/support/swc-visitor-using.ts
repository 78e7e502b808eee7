import { Visitor } from '@swc/core/Visitor.js'

/**
 * The visitor that dependency-cruiser builds on gives up at `using` and `await using`, which the parser itself reads.
 * Import this before cruising: the declarations are then visited as the variable declarations that they are.
 */
interface UsingNode {
  readonly type: string
  decls: unknown[]
}

interface ForOfNode extends UsingNode {
  left: UsingNode
  right: unknown
  body: unknown
}

interface StatementVisitor {
  visitStatement: (this: StatementVisitor, node: UsingNode) => unknown
  visitForOfStatement: (this: StatementVisitor, node: ForOfNode) => unknown
  readonly visitVariableDeclarators: (this: StatementVisitor, nodes: unknown[]) => unknown[]
  readonly visitExpression: (this: StatementVisitor, node: unknown) => unknown
}

const visitor = Visitor.prototype as unknown as StatementVisitor
const { visitStatement, visitForOfStatement } = visitor

visitor.visitStatement = function (node) {
  if (node.type !== 'UsingDeclaration') return visitStatement.call(this, node)
  node.decls = this.visitVariableDeclarators(node.decls)
  return node
}

visitor.visitForOfStatement = function (node) {
  if (node.left.type !== 'UsingDeclaration') return visitForOfStatement.call(this, node)
  node.right = this.visitExpression(node.right)
  node.body = this.visitStatement(node.body as UsingNode)
  return node
}
